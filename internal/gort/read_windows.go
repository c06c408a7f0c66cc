package gort

import (
	"fmt"
	"runtime/debug"
)

// A reader reads memory at addresses that may be wrong. A fault in this goroutine is a panic
// meanwhile and not the process's end. (ReadProcessMemory would not do: during a call of
// Windows the goroutine's status and some fields of its M are other ones.)
type reader struct {
	before bool  // what debug.SetPanicOnFault was
	err    error // the first one
}

func newReader() (*reader, error) { return &reader{before: debug.SetPanicOnFault(true)}, nil }

func (r *reader) close() { debug.SetPanicOnFault(r.before) }

// read reads a T; it returns 0 after an error.
//
//go:norace
func read[T uintptr | uint32](r *reader, addr uintptr) (v T) {
	if r.err != nil {
		return 0
	}
	defer func() {
		if e := recover(); e != nil {
			r.err = fmt.Errorf("%v", e)
		}
	}()
	return *at[T](addr)
}

func (r *reader) word(addr uintptr) uintptr { return read[uintptr](r, addr) }

func (r *reader) half(addr uintptr) uint32 { return read[uint32](r, addr) }
