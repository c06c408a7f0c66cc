package greenlet

import (
	"unsafe"

	"github.com/go-greenlet/greenlet/internal/gort"
)

// A oneMEngine has each greenlet in a goroutine that runs on its root's own M; see
// internal/gort/onem.go. Where there is no C, it has no C stacks, and all else is the same.
type oneMEngine struct{}

func (oneMEngine) enterThread(th *thread) { th.one = th.newOne() }

func (oneMEngine) enterRoot(th *thread) coro { return th.one.Enter() }

func (oneMEngine) leaveRoot(th *thread) {
	th.pool.trim(0, th.root)
	if !th.one.Free() {
		th.one.Trim(maxSpare)
	}
}

func (e oneMEngine) endThread(th *thread) {
	setFiberThread(nil)
	th.one.SetExceptions(uintptrOf(th.exceptions))
	for _, w := range th.pool.idle {
		e.destroy(w)
	}
	th.pool.idle = nil
	th.one.Trim(0)
}

// maxSpare is how many unused C stacks a thread keeps from one tree to the next.
const maxSpare = 4

func (oneMEngine) newWorker(w *worker) error {
	w.coro = &w.one
	size := w.size
	if cStacks == nil {
		size = 0
	}
	return w.th.one.Make(w.coro, size, serve)
}

func serve(c coro) {
	w := (*worker)(unsafe.Pointer(c))
	w.serve()
	if w.retirer != nil {
		w.th.one.Exit(c, w.retirer)
	}
}

func (oneMEngine) switchTo(th *thread, from, to coro) {
	if th.one.Free() && !gort.Locked() || !th.one.InCalls(from) {
		th.one.Switch(from, to)
		return
	}
	at := th.errno
	if th.one.Free() { // it stays on this thread until C goes on
		at = errnoAddress()
	}
	e := *at
	from.Park()
	th.one.Switch(from, to)
	from.Unpark()
	*at = e
}

func (oneMEngine) canSuspend(th *thread, from coro) error { return th.one.Ready(from) }

func (oneMEngine) exitTo(w *worker, to coro) { w.th.one.Exit(w.coro, to) }

func (oneMEngine) retire(w *worker, by coro) {
	w.retired, w.retirer = true, by
	w.th.one.Switch(by, w.coro)
}

func (oneMEngine) destroy(w *worker) { w.th.one.Discard(w.coro) }

func (oneMEngine) cStack(c coro) native {
	if s := c.Stack(); s != nil {
		return native(s.Native())
	}
	return 0
}
