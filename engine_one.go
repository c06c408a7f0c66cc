package greenlet

import "github.com/go-greenlet/greenlet/internal/gort"

// A oneMEngine runs each greenlet in a goroutine on its root's own M; see
// internal/gort/onem.go. Without cgo there are no C stacks, and all else is the same.
type oneMEngine struct{}

func (oneMEngine) enterThread(th *thread) { th.carrier = th.newCarrier() }

func (oneMEngine) enterRoot(th *thread) coro { return th.carrier.Enter() }

func (oneMEngine) leaveRoot(th *thread) {
	th.pool.trim(0, th.root)
	if !th.carrier.Free() {
		th.carrier.Trim(maxSpare)
	}
}

func (e oneMEngine) endThread(th *thread) {
	th.carrier.SetExceptions(uintptrOf(th.exceptions)) // they may be gone; see thread.ended
	for _, w := range th.pool.idle {
		e.destroy(w)
	}
	th.pool.idle = nil
	th.carrier.Trim(0)
}

// maxSpare is how many unused C stacks a thread keeps from one tree to the next.
const maxSpare = 4

func (oneMEngine) newWorker(w *worker) error {
	w.coro = &w.ownCoro
	size := w.size
	if cStacks == nil { // 0: no C stack of its own
		size = 0
	}
	return w.th.carrier.Make(w.coro, size, serve)
}

func (oneMEngine) workerOf(c coro) *worker { return ownerOf(c) }

// serve is what the goroutine of a worker runs.
func serve(c coro) {
	w := ownerOf(c)
	w.serve()
	if w.successor != nil {
		w.th.carrier.Exit(c, w.successor)
	}
}

// switchTo saves and restores errno, and the thread-local variables that from carries, only if
// from has C frames: C code relies on them, and Go code does not. In a build without the C core
// nobody carries any.
func (oneMEngine) switchTo(th *thread, from, to coro) {
	if cStacks == nil || th.carrier.Free() && !gort.Locked() || !th.carrier.InCalls(from) {
		th.carrier.Switch(from, to)
		return
	}
	errno := th.errno
	if th.carrier.Free() { // its record is of no thread; the C frames hold it on this one until they return
		errno = errnoAddress()
	}
	saved := *errno
	from.Park()
	th.carrier.Switch(from, to)
	from.Unpark()
	*errno = saved
}

// canSuspend is an error, without the C core, in a callback that began after the root: all
// coroutines share the thread's own stack then, on which the system's frames wait.
func (oneMEngine) canSuspend(th *thread, from coro) error {
	if cStacks == nil && th.carrier.InCallback() {
		return errInCallback
	}
	return th.carrier.Ready(from)
}

func (oneMEngine) exitTo(w *worker, to coro) { w.th.carrier.Exit(w.coro, to) }

func (oneMEngine) retire(w *worker, by coro) {
	w.retired, w.successor = true, by
	w.th.carrier.Switch(by, w.coro)
}

func (oneMEngine) destroy(w *worker) { w.th.carrier.Discard(w.coro) }

func (oneMEngine) cStack(c coro) native {
	if stack := c.Stack(); stack != nil {
		return native(stack.Native())
	}
	return 0
}
