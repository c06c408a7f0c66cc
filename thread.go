package greenlet

import (
	"sync/atomic"
	"unsafe"

	"github.com/go-greenlet/greenlet/internal/gort"
)

// A thread is what an OS thread keeps from one tree to the next, to its end. Its
// handle keeps it alive, and with it all that the thread's two local words name.
//
// A free tree has one, too, of its own: see free.go.
type thread struct {
	tid    int
	handle attachment
	root   coro         // the thread's own stack
	one    *gort.Thread // what the engine of one M keeps; nil on the others
	lines  lineThread   // what the engine of lines keeps
	tree   *tree
	pool   pool

	exceptions *exceptions
	errno      *int32
	slots      []tlsSlot // which all of its greenlets carry

	// A free tree that was tied to the thread, the last one.
	tiedTree atomic.Pointer[tree]
}

// threadHere is the record of the calling thread, to which the goroutine is locked.
func threadHere() (*thread, error) {
	th := (*thread)(loadSlot(slotThread))
	if th == nil {
		th = &thread{tid: threadID(), exceptions: threadExceptions(), errno: errnoAddress()}
		if err := th.attach(); err != nil {
			return nil, err
		}
		engine.enterThread(th)
		storeSlot(slotThread, unsafe.Pointer(th))
	}
	return th, nil
}

// ended is called as the thread ends, or elsewhere. What is suspended there can never run
// again.
func (th *thread) ended(elsewhere bool) {
	th.raceAcquire()
	th.exceptions = nil
	if !elsewhere {
		th.exceptions = threadExceptions() // LLVM's C++ runtime frees its own as the thread ends
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
