//go:build cgo && linux

package greenlet_test

import (
	"errors"
	"fmt"
	"strings"

	"github.com/go-greenlet/greenlet"
)

// ErrExit is an end and no failure, unless a failure is joined with it.
func ExampleErrExit() {
	end := func(with error) error {
		g := greenlet.New(func(any) (any, error) {
			_, err := greenlet.Current().Parent().Switch(nil)
			return nil, errors.Join(err, with)
		})
		g.MustSwitch(nil)
		return g.Kill() // the Switch returns ErrExit
	}
	_ = greenlet.Run(func(*greenlet.Greenlet) error {
		fmt.Println(end(nil))
		err := end(errors.New("could not close the file"))
		fmt.Println(errors.Is(err, greenlet.ErrExit), strings.Contains(err.Error(), "could not close"))
		return nil
	})
	// Output:
	// <nil>
	// true true
}

// A greenlet belongs to the tree that has started it.
func ExampleErrWrongThread() {
	var g *greenlet.Greenlet
	_ = greenlet.Run(func(root *greenlet.Greenlet) error {
		g = greenlet.New(func(any) (any, error) { return root.Switch(nil) })
		g.MustSwitch(nil)
		errs := make(chan error)
		go func() {
			_, err := g.Switch(nil)
			errs <- err
		}()
		fmt.Println("elsewhere:", errors.Is(<-errs, greenlet.ErrWrongThread))
		left := greenlet.New(nil)
		_, err := left.Switch(nil)
		fmt.Println("nothing to run:", errors.Is(err, greenlet.ErrNoRun))
		return nil
	})
	var other *greenlet.Greenlet
	_ = greenlet.Run(func(root *greenlet.Greenlet) error {
		other = root
		return nil
	})
	_, err := other.Switch(nil)
	fmt.Println("after Run:", errors.Is(err, greenlet.ErrThreadExited))
	// Output:
	// elsewhere: true
	// nothing to run: true
	// after Run: true
}

// A panic says whose it was.
func ExamplePanicError_fields() {
	_ = greenlet.Run(func(*greenlet.Greenlet) error {
		g := greenlet.New(func(any) (any, error) { panic("boom") }, greenlet.WithName("npc"))
		defer func() {
			p := recover().(*greenlet.PanicError)
			fmt.Println(p.Value, "in", p.Name, p.ID == g.ID())
			fmt.Println("its body:", strings.Contains(p.Body, "example_errors_test.go:"))
			fmt.Println("where it panicked:", strings.Contains(string(p.Stack), "ExamplePanicError_fields"))
		}()
		g.MustSwitch(nil)
		return nil
	})
	// Output:
	// boom in npc true
	// its body: true
	// where it panicked: true
}

// A tracer is told of every switch, and of what kind it was. Kill throws an error; that g
// ends by it is passed on as a value.
func ExampleEvent() {
	_ = greenlet.Run(func(root *greenlet.Greenlet) error {
		values, errs := 0, 0
		greenlet.SetTrace(func(e greenlet.Event, origin, target *greenlet.Greenlet) {
			switch e {
			case greenlet.EventSwitch:
				values++
			case greenlet.EventThrow:
				errs++
			}
		})
		g := greenlet.New(func(any) (any, error) { return root.Switch(nil) })
		g.MustSwitch(nil)
		if err := g.Kill(); err != nil {
			return err
		}
		fmt.Println(values, "values,", errs, "error, traced:", greenlet.GetTrace() != nil)
		var none greenlet.Tracer
		greenlet.SetTrace(none)
		return nil
	})
	// Output: 3 values, 1 error, traced: true
}

// What to print in a bug report.
func ExampleRuntime() {
	engine, why, _ := strings.Cut(greenlet.Runtime(), ": ") // such as "one M: ..."
	fmt.Println(engine != "", why != "", greenlet.Backend() != "")
	// Output: true true true
}
