//go:build cgo && linux

// Package cbench measures the C core's switch beside those of others, which are all
// driven by the same loops: glet_coro_switch, its inline form, swapcontext, a minimal
// hand-written switch (amd64), and with the build tag boost (and Debian's libboost-context-dev)
// boost.context's jump_fcontext.
package cbench

/*
#cgo CFLAGS: -I${SRCDIR}/../../csrc -O2
#include <stdlib.h>
#include "cbench.h"
*/
import "C"

import (
	"fmt"
	"runtime"
	"unsafe"

	_ "github.com/go-greenlet/greenlet/csrc" // the core
)

// Available says whether there is C.
const Available = true

// Bench is a number of coroutines of one kind.
type Bench struct {
	b     *C.cbench
	order runtime.Pinner
}

// New makes live coroutines. Run will switch to them in the given order, of which
// the length is a power of two, with that many frames on either side that return
// after every switch. All calls come from one thread. The error is an errors.ErrUnsupported
// for a kind that is not built in.
func New(kind string, live, frames int, order []uint16) (*Bench, error) {
	if n := len(order); n == 0 || n&(n-1) != 0 {
		return nil, fmt.Errorf("cbench: the order has %d entries, which is no power of two", n)
	}
	for _, i := range order {
		if int(i) >= live {
			return nil, fmt.Errorf("cbench: coroutine %d of %d", i, live)
		}
	}
	b := &Bench{}
	b.order.Pin(&order[0])
	name := C.CString(kind)
	defer C.free(unsafe.Pointer(name))
	shape := C.cbench_shape{live: C.unsigned(live), frames: C.unsigned(frames), order: (*C.uint16_t)(&order[0]), mask: C.size_t(len(order) - 1)}
	p, err := C.cbench_new(name, &shape)
	if p == nil {
		b.order.Unpin()
		return nil, fmt.Errorf("cbench: %s: %w", kind, err)
	}
	b.b = p
	return b, nil
}

// Run makes n switches, half of them in, half of them out.
func (b *Bench) Run(n int) { C.cbench_run(b.b, C.long(n)) }

// Free gives everything back.
func (b *Bench) Free() {
	C.cbench_free(b.b)
	b.order.Unpin()
}

// CallBack calls a Go function from C n times.
func CallBack(n int) { C.cbench_call_back(C.long(n)) }

//export cbenchNothing
func cbenchNothing() {}

// Call calls a C function n times.
func Call(n int) {
	for range n {
		C.cbench_nothing()
	}
}
