package greenlet

import (
	"sync/atomic"

	"github.com/go-greenlet/greenlet/internal/gort"
)

// A switcher is an engine: it suspends one coroutine of a thread and resumes another one. The
// rules of greenlets (messages, parents, ends) are above it and are the same for all engines.
// A process uses one engine, the first of these that can be used (see chooseEngine):
//
//   - oneMEngine: a greenlet is a goroutine on its root's own M, and owns a C stack only while
//     it is suspended with C frames. It needs a Go version whose structs are known, and works
//     without cgo, too; see internal/gort/onem.go.
//   - portableEngine: to the runtime, a greenlet is a thread that C created. It needs cgo on
//     Linux; see csrc/go_worker.h.
//   - lineEngine: a greenlet is the goroutine of one of the runtime's coroutines (runtime.coro),
//     and cannot be suspended in a call from C. It works everywhere; see internal/gort/lines.go.
//     It has two forms: by the runtime's own functions, and by those of package iter.
type switcher interface {
	// enterThread completes the record of a thread that has just got one.
	enterThread(th *thread)
	// enterRoot makes the calling goroutine, which is locked to th, a root, and returns its
	// coroutine.
	enterRoot(th *thread) coro
	// leaveRoot is called on the root's goroutine when its tree has ended. All workers of th
	// are idle then, and the engine frees what th does not keep for the next tree.
	leaveRoot(th *thread)
	// endThread frees what th keeps. It is called as the thread ends, or after that on another
	// thread, by a goroutine that is not a root.
	endThread(th *thread)
	// newWorker makes w's coroutine, which runs w.serve at the first switch to it.
	newWorker(w *worker) error
	// workerOf returns the worker whose coroutine c is; c is none of a root.
	workerOf(c coro) *worker
	// canSuspend prepares the suspension of from, the running coroutine, so that switchTo cannot
	// fail. On an error nothing has changed.
	canSuspend(th *thread, from coro) error
	// switchTo suspends from, the running coroutine, and resumes to. It returns when from is
	// resumed.
	switchTo(th *thread, from, to coro)
	// exitTo ends the running worker's goroutine, which is in runtime.Goexit, and resumes to.
	// If it returns, the end of the goroutine itself resumes to, after the deferred calls below.
	exitTo(w *worker, to coro)
	// retire ends an idle worker. by is the coroutine that runs on the calling thread; it is
	// resumed when the worker has ended.
	retire(w *worker, by coro)
	// destroy ends a suspended worker without running the frames on its stacks. An engine that
	// cannot do that leaves the worker suspended for good, and its memory is lost.
	destroy(w *worker)
	// cStack is the C stack that c owns, or 0.
	cStack(c coro) native
}

// engine is written once, by chooseEngine, before the first root is made.
var engine switcher

// oneM says that engine is a oneMEngine. onLines says that trees are found by the table of
// owners.go and not by thread-local words: on a lineEngine, and on a oneMEngine without C.
// chooseEngine writes both; onLines is atomic because goroutines that have no tree read it
// while another one is choosing.
var (
	oneM    bool
	onLines atomic.Bool
)

// A coro is the engine's record of a coroutine.
type coro = *gort.Coro

// A native is the address of the C core's record of a coroutine (glet_coro). It is a number
// because that memory is C's.
type native uintptr
