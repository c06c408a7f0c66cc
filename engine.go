package greenlet

import (
	"sync/atomic"

	"github.com/go-greenlet/greenlet/internal/gort"
)

// A switcher is an engine: how a greenlet gives way to another one of its thread. The rules of
// switching are above it, and the same for all. There is one for the process, the first of
// these that can be used (see ready):
//
//   - oneMEngine: a greenlet is a goroutine on its root's own M, and has a C stack while
//     C is suspended on it. For runtimes that are known, also without C; see
//     internal/gort/onem.go.
//   - portableEngine: a greenlet is a thread of its own to the runtime. For all others, where
//     there is C; see csrc/go_worker.h.
//   - lineEngine: a greenlet is a goroutine on a coroutine of the runtime's, and is not to
//     be suspended in a call from C. For all others; see internal/gort/lines.go. It has two
//     forms, by the runtime's own functions and by those of package iter.
type switcher interface {
	// enterThread is called for the record of a new thread.
	enterThread(th *thread)
	// enter is called on a locked goroutine that becomes a root, and returns its coroutine.
	enterRoot(th *thread) coro
	// leave is called when the root is one no more, and no worker is left in use.
	leaveRoot(th *thread)
	// end is called as the thread ends, from a goroutine that is no root.
	endThread(th *thread)
	// newWorker makes w's coroutine, which runs w.serve at the first switch to it.
	newWorker(w *worker) error
	// ready makes sure that the running coroutine can be suspended.
	canSuspend(th *thread, from coro) error
	// switchTo does that, and goes on with to.
	switchTo(th *thread, from, to coro)
	// exit ends the running worker's goroutine, which is in runtime.Goexit, in favour of
	// to. It may return: then what is deferred below goes on.
	exitTo(w *worker, to coro)
	// retire ends an idle worker of the calling thread, on which by runs.
	retire(w *worker, by coro)
	// discard ends a suspended worker whatever is on its stacks, or forgets it.
	destroy(w *worker)
	// cStack is the C stack that c owns, or 0.
	cStack(c coro) native
}

// engine is set before the first root is made; see ready.
var engine switcher

// oneM says that it is oneMEngine. lined says that trees are found by the table of whose.go,
// as on a lineEngine, and on a oneMEngine without C; it is asked before anybody has chosen one,
// too.
var (
	oneM    bool
	onLines atomic.Bool
)

// A coro is a coroutine as the engine knows it.
type coro = *gort.Coro

// A native is a coroutine of the C core, as a number: C's memory, not Go's.
type native uintptr
