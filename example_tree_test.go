package greenlet_test

import (
	"context"
	"errors"
	"fmt"
	"path"
	"runtime"

	"github.com/go-greenlet/greenlet"
)

func ExampleRun() {
	err := greenlet.Run(func(root *greenlet.Greenlet) error {
		g := greenlet.New(func(any) (any, error) {
			defer fmt.Println("it is killed as Run ends")
			return root.Switch("so far")
		})
		v, err := g.Switch(nil)
		fmt.Println(v)
		return err
	})
	fmt.Println(err)
	// Output:
	// so far
	// it is killed as Run ends
	// <nil>
}

// Many goroutines that mostly wait, each with greenlets of its own, hold no threads.
func ExampleWithoutLock() {
	answers := make(chan int)
	done := make(chan error)
	go func() {
		done <- greenlet.Run(func(root *greenlet.Greenlet) error {
			sum := greenlet.New(func(first any) (any, error) {
				for sum := first.(int); ; {
					next, err := root.Switch(sum)
					if err != nil {
						fmt.Println("Run ends")
						return nil, err
					}
					sum += next.(int)
				}
			})
			for n := range answers {
				v, err := sum.Switch(n)
				if err != nil {
					return err
				}
				fmt.Println(v)
			}
			return nil
		}, greenlet.WithoutLock())
	}()
	for n := range 3 {
		answers <- n
	}
	close(answers)
	fmt.Println(<-done)
	// Output:
	// 0
	// 1
	// 3
	// Run ends
	// <nil>
}

func ExampleCurrent() {
	_ = greenlet.Run(func(root *greenlet.Greenlet) error {
		fmt.Println(greenlet.Current() == root, root.IsRoot(), root.Parent() == nil)
		g := greenlet.New(func(any) (any, error) {
			me := greenlet.Current()
			fmt.Println(me.ID() > root.ID(), me.IsRoot(), me.Parent() == root)
			return nil, nil
		})
		_, err := g.Switch(nil)
		return err
	})
	// Output:
	// true true true
	// true false true
}

func ExampleState() {
	_ = greenlet.Run(func(root *greenlet.Greenlet) error {
		var g *greenlet.Greenlet
		show := func() {
			switch g.State() {
			case greenlet.Pending:
				fmt.Print("not started")
			case greenlet.Running:
				fmt.Print("this one")
			case greenlet.Suspended:
				fmt.Print("waits in its Switch")
			case greenlet.Dead:
				fmt.Print("has ended")
			}
			fmt.Println(", active:", g.Active(), "dead:", g.Dead())
		}
		g = greenlet.New(func(any) (any, error) {
			show()
			return root.Switch(nil)
		})
		show()
		if _, err := g.Switch(nil); err != nil {
			return err
		}
		show()
		_, err := g.Switch(nil)
		show()
		return err
	})
	// Output:
	// not started, active: false dead: false
	// this one, active: true dead: false
	// waits in its Switch, active: true dead: false
	// has ended, active: false dead: true
}

// A body is a Func, and its results go to its parent.
func ExampleFunc() {
	_ = greenlet.Run(func(root *greenlet.Greenlet) error {
		double := func(fail error) greenlet.Func {
			return func(v any) (any, error) { return 2 * v.(int), fail }
		}
		fmt.Println(greenlet.New(double(nil)).Switch(21))
		fmt.Println(greenlet.New(double(errors.New("an error takes the place of the value"))).Switch(21))
		return nil
	})
	// Output:
	// 42 <nil>
	// <nil> an error takes the place of the value
}

func ExampleWithParent() {
	_ = greenlet.Run(func(root *greenlet.Greenlet) error {
		collector := greenlet.New(func(v any) (any, error) {
			return fmt.Sprint("the collector got ", v), nil
		})
		worker := greenlet.New(func(any) (any, error) { return "a result", nil },
			greenlet.WithParent(collector), greenlet.WithName("worker"))
		v, err := worker.Switch(nil) // its result starts collector, whose result comes here
		fmt.Println(v, err)
		return nil
	})
	// Output: the collector got a result <nil>
}

func ExampleGreenlet_SetParent() {
	_ = greenlet.Run(func(root *greenlet.Greenlet) error {
		g := greenlet.New(func(v any) (any, error) { return v, nil })
		child := greenlet.New(func(v any) (any, error) { return v, nil }, greenlet.WithParent(g))
		fmt.Println(errors.Is(g.SetParent(child), greenlet.ErrCyclicParent))
		fmt.Println(errors.Is(root.SetParent(g), greenlet.ErrRootParent))
		fmt.Println(child.SetParent(root), child.Parent() == root)
		return nil
	})
	// Output:
	// true
	// true
	// <nil> true
}

// MustSwitch leaves errors to others: here Kill unwinds the body.
func ExampleGreenlet_MustSwitch() {
	_ = greenlet.Run(func(root *greenlet.Greenlet) error {
		g := greenlet.New(func(v any) (any, error) {
			defer fmt.Println("unwound")
			for {
				v = root.MustSwitch(v.(int) + 1)
			}
		})
		fmt.Println(g.MustSwitch(1))
		fmt.Println(g.MustSwitch(10))
		return g.Kill()
	})
	// Output:
	// 2
	// 11
	// unwound
}

func ExampleWithContext() {
	type user struct{}
	_ = greenlet.Run(func(root *greenlet.Greenlet) error {
		g := greenlet.New(func(any) (any, error) {
			who := func() any { return greenlet.Current().Context().Value(user{}) }
			fmt.Println(who())
			root.MustSwitch(nil)
			fmt.Println(who())
			return nil, nil
		}, greenlet.WithContext(context.WithValue(context.Background(), user{}, "ann")))
		g.MustSwitch(nil)
		if err := g.SetContext(context.WithValue(context.Background(), user{}, "bob")); err != nil {
			return err
		}
		g.MustSwitch(nil)
		return nil
	})
	// Output:
	// ann
	// bob
}

// Where a greenlet waits.
func ExampleGreenlet_Stack() {
	_ = greenlet.Run(func(root *greenlet.Greenlet) error {
		g := greenlet.New(func(any) (any, error) { return root.Switch(nil) }, greenlet.WithName("npc"))
		g.SetName("npc-13")
		g.MustSwitch(nil)
		for _, f := range g.Stack() {
			if path.Base(f.File) == "example_tree_test.go" {
				fmt.Println(g.Name(), "waits in", path.Base(f.File))
			}
		}
		return nil
	})
	// Output: npc-13 waits in example_tree_test.go
}

// The end of a greenlet that nobody has ended, and that fails. The collector has to find it
// first, so this waits for it.
func ExampleSetUnraisableHook() {
	var told []error
	previous := greenlet.SetUnraisableHook(func(g *greenlet.Greenlet, err error) {
		if g.Name() == "writer" {
			told = append(told, err)
		}
	})
	defer func() { greenlet.SetUnraisableHook(previous) }()
	_ = greenlet.Run(func(root *greenlet.Greenlet) error {
		func() {
			g := greenlet.New(func(any) (any, error) {
				_, _ = root.Switch(nil)
				return nil, errors.New("could not close the file")
			}, greenlet.WithName("writer"))
			g.MustSwitch(nil)
		}()
		for len(told) == 0 {
			runtime.GC()
			root.MustSwitch(nil) // any call sees to those that are forgotten
		}
		fmt.Println(told)
		return nil
	})
	// Output: [could not close the file]
}

// A scheduler that waits for a channel of Go's: a goroutine posts what is to be done, and wakes it.
func ExampleGreenlet_Post() {
	wake := make(chan struct{})
	err := greenlet.Run(func(root *greenlet.Greenlet) error {
		client := greenlet.New(func(any) (any, error) {
			v, err := root.Switch(nil)
			fmt.Println("the client got", v)
			return nil, err
		})
		if _, err := client.Switch(nil); err != nil {
			return err
		}
		go func() { // now that the client waits: what is posted runs in whichever greenlet acts next
			if err := root.Post(func() { client.MustSwitch("the answer") }); err != nil {
				fmt.Println(err)
			}
			wake <- struct{}{}
		}()
		for !client.Dead() {
			<-wake
			if _, err := root.Switch(nil); err != nil { // to itself: it only does what was posted
				return err
			}
		}
		return nil
	})
	fmt.Println(err)
	// Output:
	// the client got the answer
	// <nil>
}
