//go:build greenlet_foreign && cgo && linux

package ruby

/*
#cgo pkg-config: ruby
#cgo CFLAGS: -I${SRCDIR}/../../../csrc -O2 -Wall
#include <stdlib.h>
#include "ruby_run.h"
*/
import "C"

import (
	"errors"
	"runtime"
	"sync"
	"unsafe"

	_ "github.com/go-greenlet/greenlet" // the runtime's hooks
	"github.com/go-greenlet/greenlet/callback"
)

// Ruby stays on one thread.
var (
	begin sync.Once
	calls = make(chan func())
	begun = make(chan error)
)

// Run runs a script. In it `go(n) { |i| ... }` calls f, with n and a function that calls the
// block. Adopted says whether Go is told of Ruby's fibers.
func Run(script string, adopted bool, f func(n int, block func(int) (int, bool)) int) error {
	var err error
	begin.Do(func() {
		go func() {
			runtime.LockOSThread()
			if C.ruby_begin() != 0 {
				begun <- errors.New("ruby: it does not start")
				return
			}
			begun <- nil
			for f := range calls {
				f()
			}
		}()
		err = <-begun
	})
	if err != nil {
		return err
	}
	done := make(chan error)
	calls <- func() { done <- run(script, adopted, f) }
	return <-done
}

func run(script string, adopted bool, f func(n int, block func(int) (int, bool)) int) error {
	text := C.CString(script)
	defer C.free(unsafe.Pointer(text))
	adopt := C.int(0)
	if adopted {
		adopt = 1
	}
	var failure *C.char
	callback.During(f, func(h uintptr) { failure = C.ruby_run(text, C.uintptr_t(h), adopt) })
	if failure == nil {
		return nil
	}
	defer C.free(unsafe.Pointer(failure))
	return errors.New("ruby: " + C.GoString(failure))
}

//export rubyGo
func rubyGo(h C.uintptr_t, n C.longlong, failed *C.int) (result C.longlong) {
	callback.Do(uintptr(h), func(f func(int, func(int) (int, bool)) int) {
		result = C.longlong(f(int(n), func(i int) (int, bool) {
			v := C.ruby_block(C.longlong(i), failed)
			return int(v), *failed == 0
		}))
	})
	return result
}
