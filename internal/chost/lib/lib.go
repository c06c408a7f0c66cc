//go:build cgo && linux

// Command lib is the Go library of a C program.
package main

/*
#cgo CFLAGS: -I${SRCDIR}/../../../csrc -O2 -Wall
// Calls a C function, which calls libPause.
typedef int lib_through(int n);
static inline int call(lib_through *f, int n) { return f(n); }
*/
import "C"

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"runtime/pprof"

	"github.com/go-greenlet/greenlet"
	_ "github.com/go-greenlet/greenlet/internal/capitest" // for testdata/suite.c
	"github.com/go-greenlet/greenlet/internal/handle"
)

func main() {}

// libInterleave runs greenlets that go through C functions and suspend there, and
// resumes them in an order that is not that of their calls. It leaves one suspended if
// it is to. It returns a sum of what they have made, or -1.
//
//export libInterleave
func libInterleave(through *C.lib_through, n C.int, leave C.int) C.int {
	sum, err := interleave(through, int(n), leave != 0)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return -1
	}
	return C.int(sum)
}

func interleave(through *C.lib_through, n int, leave bool) (sum int, err error) {
	var all [3]*greenlet.Greenlet
	for i := range all {
		all[i] = greenlet.New(func(any) (any, error) {
			for j := 1; j <= n; j++ {
				if C.call(through, C.int(j)) != 0 {
					return nil, errors.New("libPause has failed")
				}
			}
			return 0, nil
		})
	}
	for round := range n + 1 { // each time another one first
		for k := range all {
			i := (round + k) % len(all)
			if leave && i == 0 && round > n/2 {
				continue
			}
			v, err := all[i].Switch(nil)
			if err != nil {
				return 0, err
			}
			sum += v.(int)
		}
	}
	return sum, nil
}

// libPause hands n to the parent, and returns 0 when it is resumed.
//
//export libPause
func libPause(n C.int) C.int {
	if _, err := greenlet.Current().Parent().Switch(int(n)); err != nil {
		return 1
	}
	return 0
}

// libVisit is called on C coroutines, and others' fibers: pause suspends the one that calls.
//
//export libVisit
func libVisit(pause *C.lib_through, n C.int) C.int {
	if C.call(pause, n) != 0 {
		return -1
	}
	return 2 * n
}

//export libCollect
func libCollect() { runtime.GC() }

// What there is: Go's threads so far, goroutines, handles.
//
//export libThreads
func libThreads() C.long { return C.long(pprof.Lookup("threadcreate").Count()) }

//export libGoroutines
func libGoroutines() C.long { return C.long(runtime.NumGoroutine()) }

//export libHandles
func libHandles() C.long { return C.long(handle.Live()) }
