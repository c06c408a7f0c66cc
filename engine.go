//go:build cgo && linux

package greenlet

import (
	"errors"
	"unsafe"

	"github.com/go-greenlet/greenlet/internal/gort"
	"github.com/go-greenlet/greenlet/internal/handle"
)

// The two engines that have the C core.

type portableEngine struct{}

func (portableEngine) enterThread(*thread) {}

func (portableEngine) enter(th *thread) coro {
	if th.root == nil {
		th.root = &gort.Coro{Native: uintptr(currentNative())}
	}
	return th.root
}

func (portableEngine) leave(th *thread) { th.pool.trim(minIdle, th.root) }

func (portableEngine) end(th *thread) { th.pool.trim(0, th.root) }

func (portableEngine) newWorker(w *worker) error {
	w.handle = handle.New(w)
	c, err := newNative(w.size, w.handle)
	if err != nil {
		return errors.Join(err, w.handle.Delete())
	}
	w.coro = &gort.Coro{Native: uintptr(c)}
	return nil
}

func (portableEngine) switchTo(th *thread, from, to coro) {
	e := *th.errno
	from.Park()
	switchNative(native(to.Native))
	from.Unpark()
	*th.errno = e
}

func (portableEngine) ready(*thread, coro) error { return nil }

// exit never returns: the end of its goroutine is what the runtime does not allow an
// extra M (gdestroy, proc.go). Such a worker never goes on.
func (e portableEngine) exit(w *worker, to coro) {
	w.th.pool.abandon(w)
	e.switchTo(w.th, w.coro, to)
	panic("greenlet: internal error: a worker went on after runtime.Goexit")
}

func (portableEngine) retire(w *worker, _ coro) {
	w.retired = true
	retireNative(native(w.coro.Native))
	if err := w.handle.Delete(); err != nil {
		panic(err)
	}
}

// discard cannot give the worker's M back, so that and its stacks are lost.
func (portableEngine) discard(w *worker) {
	if err := w.handle.Delete(); err != nil {
		panic(err)
	}
}

func (portableEngine) cStack(c coro) native { return native(c.Native) }

type oneMEngine struct{}

func init() { cStacks = &stacks }

func (oneMEngine) enterThread(th *thread) {
	th.one = gort.NewThread(&stacks, currentAddress(), uintptr(currentNative()), uintptrOf(th.exceptions))
	setFiberThread(th.one)
}

var stacks = gort.Stacks{
	New:   newStack,
	Reach: stackReach,
	Free:  freeStack,
	Leave: leaveFiber,
	Trim: func(record uintptr) {
		if measuring.Load() {
			trimStack(native(record))
		}
	},
}

func (oneMEngine) enter(th *thread) coro { return th.one.Enter() }

func (oneMEngine) leave(th *thread) {
	th.pool.trim(0, th.root)
	if !th.one.Free() {
		th.one.Trim(maxSpare)
	}
}

func (e oneMEngine) end(th *thread) {
	setFiberThread(nil)
	th.one.SetExceptions(uintptrOf(th.exceptions))
	for _, w := range th.pool.idle {
		e.discard(w)
	}
	th.pool.idle = nil
	th.one.Trim(0)
}

// maxSpare is how many unused C stacks a thread keeps from one tree to the next.
const maxSpare = 4

func (oneMEngine) newWorker(w *worker) error {
	w.coro = &w.one
	return w.th.one.Make(w.coro, w.size, serve)
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

func (oneMEngine) ready(th *thread, from coro) error { return th.one.Ready(from) }

func (oneMEngine) exit(w *worker, to coro) { w.th.one.Exit(w.coro, to) }

func (oneMEngine) retire(w *worker, by coro) {
	w.retired, w.retirer = true, by
	w.th.one.Switch(by, w.coro)
}

func (oneMEngine) discard(w *worker) { w.th.one.Discard(w.coro) }

func (oneMEngine) cStack(c coro) native {
	if s := c.Stack(); s != nil {
		return native(s.Native())
	}
	return 0
}
