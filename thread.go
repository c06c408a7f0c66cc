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
		endThreads()
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

// ended is called as the thread ends, on that thread, or after that by endThreads. The
// greenlets that are suspended there can never run again. exceptions is the thread's record of
// that name, or nil if it is gone.
func (th *thread) ended(exceptions *exceptions) {
	th.raceAcquire()
	th.exceptions = exceptions
	if t := th.tree; t != nil {
		t.finish(endThread)
		th.tree = nil
	}
	th.endTiedTree()
	th.pool.freeOrphans()
	engine.endThread(th)
	th.detach()
}

// endThreads ends the threads of Go's that have ended since it was called last. The C core only
// notes that they have (thread_exit in csrc/go_thread.c says why). It is called after each
// collection, when a thread gets its record, and before anybody is told what has ended. Any
// goroutine may call it that holds no lock of this package's.
//
// In a bubble of testing/synctest it does nothing. The runtime counts a bubble's goroutines that
// run (changegstatus, synctest.go), and would miscount if one switched to a goroutine that is in
// no bubble, to end it.
func endThreads() {
	for threadsEnded != nil && atomic.LoadUint32(threadsEnded) != 0 && !gort.InBubble() {
		th := nextEndedThread()
		if th == nil {
			return // another goroutine has taken it
		}
		th.ended(nil)
	}
}

// threadsEnded is how many there are, in C's memory; nil: threads are not noted.
var threadsEnded *uint32
