package greenlet

import (
	"sync/atomic"
	"unsafe"

	"github.com/go-greenlet/greenlet/internal/gort"
)

// A thread is what is kept for an OS thread from its first tree to its end. Its handle, which
// the destructor of a thread-local key gets, keeps it alive, and with it all that the two
// thread-local words point to. Only the goroutine that is locked to the thread uses it, unless
// a field says otherwise.
//
// A free tree has a record of this type of its own; see free.go.
type thread struct {
	tid     int
	handle  attachment
	root    coro         // the thread's own stack, while a root runs there
	carrier *gort.Thread // the record of the engine of one M, on which it carries coroutines; nil on other engines
	lines   lineThread   // the record of the line engine
	tree    *tree        // the tree that is bound to the thread now; nil: none
	pool    pool

	exceptions *exceptions // the C++ runtime's record of exceptions that are being handled here; nil: there is no C++
	errno      *int32      // the address of C's errno
	slots      []tlsSlot   // the words that greenlet_carry has asked all greenlets of the thread to carry

	// The free tree that was tied to this OS thread last (gort.OfThread writes it). endTiedTree
	// reads it at the end of the thread. nil: there was none.
	tiedTree atomic.Pointer[tree]
}

// threadHere returns the record of the calling thread, and makes it if there is none. The
// calling goroutine is locked to the thread. The next one to be locked to it need not have
// anything to do with this one: it calls raceAcquire before it uses the record.
func threadHere() (*thread, error) {
	th := (*thread)(loadSlot(slotThread))
	if th == nil {
		th = &thread{tid: threadID(), exceptions: threadExceptions(), errno: errnoAddress()}
		if err := th.attach(); err != nil {
			return nil, err
		}
		engine.enterThread(th)
		storeSlot(slotThread, unsafe.Pointer(th))
		th.raceRelease()
	}
	return th, nil
}

// ended is called when the thread ends: on that thread, or on another one if elsewhere. The
// greenlets that are suspended there can never run again.
func (th *thread) ended(elsewhere bool) {
	th.raceAcquire()
	th.exceptions = nil
	if !elsewhere {
		th.exceptions = threadExceptions() // again: LLVM's C++ runtime frees its record as the thread ends
		storeSlot(slotTree, nil)
		storeSlot(slotThread, nil)
	}
	if t := th.tree; t != nil {
		t.finish(endThread)
		th.tree = nil
	}
	th.endTiedTree()
	th.pool.freeOrphans()
	engine.endThread(th)
	th.detach()
}
