package greenlet

import (
	"errors"
	"unsafe"
)

// Some C libraries keep "the current frame" of their own in a variable of the thread, and go
// by it when their callbacks have returned. To them a greenlet that goes on looks like one whose
// variable somebody has changed meanwhile. So such words are carried: they are exchanged at
// switches that leave or enter C frames, as errno is. (internal/gort/carry.go does it. Without
// C frames a library has put back what it found, and there is nothing to be exchanged.)

// maxWord is far more than a library's variable takes, and little enough to be copied; as in csrc/greenlet.c.
const maxWord = 1 << 20

// A tlsSlot is a place in memory to be carried.
type tlsSlot struct {
	at   unsafe.Pointer
	size uintptr
}

var (
	errSlot     = errors.New("WithThreadLocal was given no address, the size 0, or more than 1 MiB")
	errNotBound = errors.New("a greenlet that carries a thread's words needs a tree that is bound to the thread: use Run")
	errOptions  = errors.New("the options of a Run are WithThreadLocal and WithoutLock, one of them")
)

// WithThreadLocal has the greenlet carry size bytes at ptr, a variable of its thread in which
// a C library keeps what belongs to the calls that are in progress: while the greenlet is
// suspended with C frames, these bytes are put aside, and the others find there what was there
// when it was switched to. As an option of Run it is for the root and all greenlets of the tree.
//
// A greenlet begins with what it finds there when it starts, so let the library initialise
// itself on the thread before. ptr must be valid on the greenlet's thread until its end, and is
// not to point to Go memory. nil, a size of 0 and one above 1 MiB are errors of the first Switch,
// or of Run. Words may overlap, and one that is given twice is carried once.
func WithThreadLocal(ptr unsafe.Pointer, size uintptr) Option {
	return func(c *core) {
		x := c.makeRare()
		x.slots = append(x.slots, tlsSlot{ptr, size})
	}
}

// hasBadSlots says whether one of the greenlet's words cannot be carried.
func (c *core) hasBadSlots() bool {
	for _, w := range c.rareFields().slots {
		if w.at == nil || w.size == 0 || w.size > maxWord {
			return true
		}
	}
	return false
}

// runOptions are those of Run: for the tree, and not for its root alone.
func runOptions(options []Option) (words []tlsSlot, unlocked bool, err error) {
	if len(options) == 0 {
		return nil, false, nil
	}
	var c core
	for _, o := range options {
		before := len(c.rareFields().slots)
		c.makeRare().unlocked = false
		if o(&c); len(c.rareFields().slots) == before && !c.rareFields().unlocked {
			return nil, false, errOptions
		}
		unlocked = unlocked || c.rareFields().unlocked
	}
	if c.hasBadSlots() {
		return nil, false, errSlot
	}
	if c.rareFields().slots != nil && unlocked {
		return nil, false, errOptions
	}
	return c.rareFields().slots, unlocked, nil
}

// addSlots has the coroutine carry some words from now on.
func addSlots(c coro, words []tlsSlot) {
	for _, w := range words {
		c.Carry(w.at, w.size)
	}
}

// carry has the root of a tree that is bound to a thread carry the thread's words, and no others.
func (t *tree) carry() {
	t.root.c.coro.Words = nil
	addSlots(t.root.c.coro, t.th.slots)
}

// carrySlots is called as the worker begins to run a greenlet.
func (w *worker) carrySlots(t *tree) {
	addSlots(w.coro, w.th.slots)
	addSlots(w.coro, t.slots)
	addSlots(w.coro, w.core.rareFields().slots)
}
