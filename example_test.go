package greenlet_test

import (
	"errors"
	"fmt"

	"github.com/go-greenlet/greenlet"
)

// Two greenlets that hand over to each other in mid-function.
func Example() {
	err := greenlet.Run(func(root *greenlet.Greenlet) error {
		var ping, pong *greenlet.Greenlet
		ping = greenlet.New(func(v any) (any, error) {
			for i := range 3 {
				fmt.Println("ping", i)
				if _, err := pong.Switch(nil); err != nil {
					return nil, err
				}
			}
			return "done", nil
		})
		pong = greenlet.New(func(v any) (any, error) {
			for i := 0; ; i++ {
				fmt.Println("     pong", i)
				if _, err := ping.Switch(nil); err != nil {
					return nil, err // the Run ends
				}
			}
		})
		v, err := ping.Switch(nil)
		fmt.Println(v)
		return err
	})
	fmt.Println(err)
	// Output:
	// ping 0
	//      pong 0
	// ping 1
	//      pong 1
	// ping 2
	//      pong 2
	// done
	// <nil>
}

// The first example of the package documentation; a test compares the two.
func Example_first() {
	err := greenlet.Run(func(root *greenlet.Greenlet) error {
		var a, b *greenlet.Greenlet
		a = greenlet.New(func(any) (any, error) {
			fmt.Println(12)
			b.MustSwitch(nil)
			fmt.Println(34)
			return nil, nil // a is dead; its parent, the root, goes on
		})
		b = greenlet.New(func(any) (any, error) {
			fmt.Println(56)
			a.MustSwitch(nil)
			fmt.Println(78) // never printed: nobody switches back
			return nil, nil
		})
		_, err := a.Switch(nil) // prints 12 56 34
		return err              // Run kills b: its MustSwitch does not return
	})
	fmt.Println(err)
	// Output:
	// 12
	// 56
	// 34
	// <nil>
}

func ExampleGreenlet_Switch() {
	_ = greenlet.Run(func(root *greenlet.Greenlet) error {
		g := greenlet.New(func(v any) (any, error) {
			v, err := root.Switch(v.(int) * 2) // hands out 42, and waits for the next value
			if err != nil {
				return nil, err
			}
			return fmt.Sprint("got ", v), nil
		})
		fmt.Println(g.Switch(21))
		fmt.Println(g.Switch("more"))
		fmt.Println(g.State())
		return nil
	})
	// Output:
	// 42 <nil>
	// got more <nil>
	// dead
}

func ExampleGreenlet_Throw() {
	errStop := errors.New("stop")
	_ = greenlet.Run(func(root *greenlet.Greenlet) error {
		g := greenlet.New(func(any) (any, error) {
			_, err := root.Switch("ready")
			if errors.Is(err, errStop) {
				return "cleaned up", nil
			}
			return nil, err
		})
		fmt.Println(g.Switch(nil))
		fmt.Println(g.Throw(errStop))
		return nil
	})
	// Output:
	// ready <nil>
	// cleaned up <nil>
}

func ExampleGreenlet_Kill() {
	_ = greenlet.Run(func(root *greenlet.Greenlet) error {
		g := greenlet.New(func(any) (any, error) {
			defer fmt.Println("deferred calls run")
			return root.Switch(nil) // returns ErrExit when killed
		})
		if _, err := g.Switch(nil); err != nil {
			return err
		}
		fmt.Println(g.Kill(), g.State())
		return nil
	})
	// Output:
	// deferred calls run
	// <nil> dead
}

func ExamplePanicError() {
	g := greenlet.New(func(any) (any, error) { panic("boom") })
	defer func() {
		p := recover().(*greenlet.PanicError)
		fmt.Println("recovered:", p.Value)
	}()
	_, _ = g.Switch(nil)
	// Output: recovered: boom
}

func ExampleSetTrace() {
	_ = greenlet.Run(func(root *greenlet.Greenlet) error {
		greenlet.SetTrace(func(e greenlet.Event, origin, target *greenlet.Greenlet) {
			fmt.Println(e, origin.Name(), target.Name())
		})
		g := greenlet.New(func(any) (any, error) { return nil, nil }, greenlet.WithName("g"))
		_, err := g.Switch(nil)
		greenlet.SetTrace(nil)
		return err
	})
	// Output:
	// switch root g
	// switch g root
}

func ExamplePull() {
	type tree struct {
		left, right *tree
		v           int
	}
	var walk func(t *tree, yield func(int) bool) bool
	walk = func(t *tree, yield func(int) bool) bool {
		return t == nil || walk(t.left, yield) && yield(t.v) && walk(t.right, yield)
	}
	t := &tree{&tree{nil, nil, 1}, &tree{&tree{nil, nil, 3}, nil, 4}, 2}
	next, stop := greenlet.Pull(func(yield func(int) bool) { walk(t, yield) })
	defer stop()
	for v, ok := next(); ok; v, ok = next() {
		fmt.Print(v, " ")
	}
	// Output: 1 2 3 4
}

func ExampleCoroutine() {
	average := greenlet.NewCoroutine(func(yield func(float64) (float64, error), v float64) error {
		sum, n := 0.0, 0.0
		for {
			sum, n = sum+v, n+1
			var err error
			if v, err = yield(sum / n); err != nil {
				return err // stopped
			}
		}
	})
	for _, v := range []float64{1, 2, 6} {
		fmt.Println(average.Resume(v))
	}
	fmt.Println(average.Stop())
	// Output:
	// 1 true <nil>
	// 1.5 true <nil>
	// 3 true <nil>
	// <nil>
}
