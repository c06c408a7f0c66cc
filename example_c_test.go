//go:build cgo && linux

package greenlet_test

import (
	"fmt"
	"runtime"

	"github.com/go-greenlet/greenlet"
	"github.com/go-greenlet/greenlet/internal/capitest"
	"github.com/go-greenlet/greenlet/internal/chain"
)

func ExampleWithStackSize() {
	_ = greenlet.Run(func(root *greenlet.Greenlet) error {
		g := greenlet.New(func(any) (any, error) {
			return root.Switch(nil) // or a call of C that takes much stack
		}, greenlet.WithStackSize(1<<20))
		g.MustSwitch(nil)
		used, err := g.StackUsed()
		fmt.Println(0 < used && used < 1<<20, err)
		return nil
	})
	// Output: true <nil>
}

// The body is a C function, a greenlet_body of csrc/greenlet.h; this one switches what it
// gets to its parent, until a switch returns an error, which it returns.
func ExampleNewC() {
	_ = greenlet.Run(func(*greenlet.Greenlet) error {
		g := greenlet.NewC(capitest.Echo, nil, greenlet.WithName("echo"))
		fmt.Println(g.Switch("from Go"))
		_, err := g.Throw(greenlet.CError(9)) // an error code of the C program's
		fmt.Println(err)
		return nil
	})
	// Output:
	// from Go <nil>
	// C code 9
}

// The C library here keeps a chain of the calls that are in progress in a variable of the
// thread, and so would take one greenlet's calls for the other's.
func ExampleWithThreadLocal() {
	runtime.LockOSThread() // before the address is taken, which is this thread's
	defer runtime.UnlockOSThread()
	before := chain.Broken()
	err := greenlet.Run(func(root *greenlet.Greenlet) error {
		inC := func(any) (any, error) {
			var err error
			chain.Call(3, func() bool { _, err = root.Switch(nil); return err != nil })
			return nil, err
		}
		a, b := greenlet.New(inC), greenlet.New(inC)
		for _, g := range []*greenlet.Greenlet{a, b, a, b} { // the calls do not end in the order in which they began
			g.MustSwitch(nil)
		}
		return nil
	}, greenlet.WithThreadLocal(chain.Word()))
	fmt.Println(chain.Broken()-before, err)
	// Output: 0 <nil>
}
