//go:build greenlet_foreign && cgo && linux

package lua

/*
#cgo CFLAGS: -I/usr/include/lua5.4 -O2 -Wall
#cgo LDFLAGS: -llua5.4
#include <stdlib.h>
#include "lua_run.h"
*/
import "C"

import (
	"errors"
	"unsafe"

	"github.com/go-greenlet/greenlet/internal/handle"
)

// Run runs a script in an interpreter of its own, and returns what it returns.
// In it, ask(name, i) calls ask.
func Run(script string, ask func(name string, i int) int) (string, error) {
	h := handle.New(ask)
	src := C.CString(script)
	defer C.free(unsafe.Pointer(src))
	var failed C.int
	out := C.lua_run(src, C.uintptr_t(h), &failed)
	if out == nil {
		return "", errors.Join(errors.New("lua: no memory"), h.Delete())
	}
	defer C.free(unsafe.Pointer(out))
	result := C.GoString(out)
	if failed != 0 {
		return "", errors.Join(errors.New(result), h.Delete())
	}
	return result, h.Delete()
}

//export luaAsk
func luaAsk(h C.uintptr_t, name *C.char, i C.longlong) C.longlong {
	f, err := handle.Handle(h).Value()
	if err != nil {
		panic(err)
	}
	return C.longlong(f.(func(string, int) int)(C.GoString(name), int(i)))
}
