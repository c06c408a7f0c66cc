package greenlet

// #include <stdint.h>
import "C"

import "github.com/go-greenlet/greenlet/internal/handle"

// This file holds the entries from C to Go. They only find the Go value that a
// handle names. A handle that names none would be a mistake of this package, and
// is a panic.

// greenletEnter is the life of a worker, on the worker's own stack, M and
// goroutine. It returns when the worker is retired.
//
//export greenletEnter
func greenletEnter(h C.uintptr_t) { mustValue[*worker](h).serve() }

// greenletThreadExit is called as the thread ends, by the C library's destructor
// for thread-local keys.
//
//export greenletThreadExit
func greenletThreadExit(h C.uintptr_t) { mustValue[*thread](h).exit() }

func mustValue[T any](h C.uintptr_t) T {
	v, err := handle.Handle(h).Value()
	if err != nil {
		panic(err)
	}
	return v.(T)
}
