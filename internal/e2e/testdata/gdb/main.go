// Program gdb is what the test of the debugger's script looks at.
package main

import (
	"github.com/go-greenlet/greenlet"
	"github.com/go-greenlet/greenlet/internal/cgotest"
	"github.com/go-greenlet/greenlet/internal/fault"
)

//go:noinline
func waitsInGo(root *greenlet.Greenlet) { _, _ = root.Switch(nil) }

//go:noinline
func waitsBehindC(root *greenlet.Greenlet) {
	cgotest.Locals(1000, func() { _, _ = root.Switch(nil) })
}

//go:noinline
func runs(*greenlet.Greenlet) { cgotest.StackAddress() } // where the test has a breakpoint

func main() {
	// Where the kernel makes guard pages without splitting the mapping, gdb writes
	// cores without what lies beside them.
	defer fault.Set(fault.Guard, 1, 1000)()
	// In a Run: without, those in C would have the threads' own stacks, of which the C core
	// has no list.
	_ = greenlet.Run(inTree)
	// A coroutine of C's that switches to another one, with no Go in it.
	if _, err := cgotest.PingPong(1); err != nil {
		panic(err)
	}
}

func inTree(root *greenlet.Greenlet) error {
	for _, f := range []func(*greenlet.Greenlet){waitsInGo, waitsBehindC, runs} {
		if _, err := greenlet.New(func(any) (any, error) { f(root); return nil, nil }).Switch(nil); err != nil {
			panic(err)
		}
		root.Children()[0].SetName("first")
	}
	return nil
}
