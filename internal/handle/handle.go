//go:build cgo && linux

package handle

import (
	"errors"
	"fmt"
	"math/bits"
	"sync/atomic"
	"unsafe"

	pointer "github.com/mattn/go-pointer"
)

// A Handle names a Go value to C. Zero names none.
//
// Its middle is the address; the low 4 bits, which malloc's alignment leaves
// free, and on 64-bit systems the high 16, which user addresses do not reach,
// are the generation. A handle that was deleted is taken for another one only
// when malloc returns its address after a multiple of 2^20 (32-bit: 2^4) others.
type Handle uintptr

// ErrStale is returned for a handle that was deleted, or never made.
var ErrStale = errors.New("greenlet: stale or unknown handle")

const (
	lowBits  = 4
	highBits = 16 * (bits.UintSize / 64)
	lowMask  = 1<<lowBits - 1
	highAt   = bits.UintSize - highBits
)

// An entry's handle is stored when its address is known, and by then go-pointer has
// it already: who still has a deleted handle of the same address may look meanwhile.
type entry struct {
	h    atomic.Uintptr
	v    any
	gone atomic.Bool
}

var (
	generation atomic.Uintptr
	live       atomic.Int64
)

// New makes a handle for v, which the handle keeps alive until Delete.
func New(v any) Handle {
	e := &entry{v: v}
	p := pointer.Save(e)
	addr, gen := uintptr(p), generation.Add(1)
	if addr&lowMask != 0 || (highBits > 0 && addr>>highAt != 0) {
		pointer.Unref(p)
		panic(fmt.Sprintf("greenlet: malloc returned %#x, which leaves no room for a handle's generation", addr))
	}
	h := addr | gen&lowMask
	if highBits > 0 {
		h |= gen >> lowBits << highAt
	}
	e.h.Store(h)
	live.Add(1)
	return Handle(h)
}

// Value returns what the handle was made for.
func (h Handle) Value() (any, error) {
	e := h.entry()
	if e == nil {
		return nil, fmt.Errorf("%w: %#x", ErrStale, uintptr(h))
	}
	return e.v, nil
}

// Delete ends the handle. A second Delete is an error and changes nothing.
func (h Handle) Delete() error {
	e := h.entry()
	if e == nil || !e.gone.CompareAndSwap(false, true) {
		return fmt.Errorf("%w: Delete of %#x", ErrStale, uintptr(h))
	}
	pointer.Unref(h.pointer())
	live.Add(-1)
	return nil
}

// Live returns how many handles there are.
func Live() int { return int(live.Load()) }

func (h Handle) entry() *entry {
	e, _ := pointer.Restore(h.pointer()).(*entry)
	if e == nil || e.h.Load() != uintptr(h) {
		return nil
	}
	return e
}

// pointer is the address that go-pointer knows, without the generation. It is
// C's memory, so that no rule about Go pointers applies to it.
func (h Handle) pointer() unsafe.Pointer {
	addr := uintptr(h) &^ lowMask
	if highBits > 0 {
		addr = addr << highBits >> highBits
	}
	return *(*unsafe.Pointer)(unsafe.Pointer(&addr))
}
