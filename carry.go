package greenlet

import (
	"errors"
	"unsafe"
)

// Some C libraries keep a pointer to their current frame in a thread-local variable, and use it
// when a callback has returned. If greenlets switch in callbacks, a greenlet that is resumed
// finds there what another one has left. So greenlets carry such variables: their contents are
// exchanged at switches from and to C frames, as errno is (internal/gort/carry.go). Nothing has
// to be exchanged for a greenlet without C frames, since a library restores the variable before
// it returns.

// maxWord is the limit of a variable's size in bytes, as in csrc/greenlet.c. It is far more than
// a library's variable takes, and little enough to be copied at a switch.
const maxWord = 1 << 20

// A tlsSlot is a thread-local variable that greenlets carry.
type tlsSlot struct {
	at   unsafe.Pointer
	size uintptr // in bytes
}

var (
	errSlot     = errors.New("WithThreadLocal was given no address, the size 0, or more than 1 MiB")
	errNotBound = errors.New("a greenlet that carries a thread's words needs a tree that is bound to the thread: use Run")
	errOptions  = errors.New("the options of a Run are WithThreadLocal and WithoutLock, one of them")
)

// WithThreadLocal has the greenlet carry size bytes at ptr, a thread-local variable in which
// a C library keeps what belongs to the calls that are in progress. While the greenlet is
// suspended with C frames, these bytes are saved, and other greenlets find there what was there
// when it was switched to. As an option of Run it is for the root and all greenlets of the tree;
// then call [runtime.LockOSThread] before the address is taken, since the goroutine could still go
// to another thread before Run locks it.
//
// A greenlet starts with the contents that it finds there, so let the library initialise
// itself on the thread before. ptr must be valid on the greenlet's thread until the greenlet
// ends, and must not point to Go memory. A nil ptr, and a size that is 0 or above 1 MiB, are
// errors of the first Switch, or of Run. Variables may overlap, and one that is given twice is
// carried once.
func WithThreadLocal(ptr unsafe.Pointer, size uintptr) Option {
	return func(c *core) {
		x := c.makeRare()
		x.slots = append(x.slots, tlsSlot{ptr, size})
	}
}

// hasBadSlots says whether one of the variables given for the greenlet cannot be carried.
func (c *core) hasBadSlots() bool {
	for _, s := range c.rareFields().slots {
		if s.at == nil || s.size == 0 || s.size > maxWord {
			return true
		}
	}
	return false
}

// runOptions returns what the options of a Run say. It applies each to a core that is used for
// nothing else, and refuses an option that sets something other than these two.
func runOptions(options []Option) (slots []tlsSlot, unlocked bool, err error) {
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

// addSlots has the coroutine carry these variables from now on.
func addSlots(c coro, slots []tlsSlot) {
	for _, s := range slots {
		c.Carry(s.at, s.size)
	}
}

// carry has the root of a tree that is bound to a thread carry the thread's variables, and no
// others: the root's coroutine is the thread's, and may still have those of an earlier tree.
func (t *tree) carry() {
	t.root.c.coro.Words = nil
	addSlots(t.root.c.coro, t.th.slots)
}

// carrySlots has the worker's coroutine carry the variables of its thread, its tree and its
// greenlet, which is about to start.
func (w *worker) carrySlots(t *tree) {
	if w.th.slots == nil && t.slots == nil && w.core.rare.Load() == nil { // the ordinary case
		return
	}
	addSlots(w.coro, w.th.slots)
	addSlots(w.coro, t.slots)
	addSlots(w.coro, w.core.rareFields().slots)
}
