//go:build cgo && linux

package greenlet

import (
	"errors"

	"github.com/go-greenlet/greenlet/internal/gort"
	"github.com/go-greenlet/greenlet/internal/handle"
)

// The portable engine, and what the engine of one M needs of the C core.

type portableEngine struct{}

func (portableEngine) enterThread(*thread) {}

func (portableEngine) enterRoot(th *thread) coro {
	if th.root == nil {
		th.root = &gort.Coro{Native: uintptr(currentNative())}
	}
	return th.root
}

func (portableEngine) leaveRoot(th *thread) { th.pool.trim(minIdle, th.root) }

func (portableEngine) endThread(th *thread) { th.pool.trim(0, th.root) }

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

func (portableEngine) canSuspend(*thread, coro) error { return nil }

// exitTo never returns: the end of its goroutine is what the runtime does not allow an
// extra M (gdestroy, proc.go). Such a worker never goes on.
func (e portableEngine) exitTo(w *worker, to coro) {
	w.th.pool.orphan(w)
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

// destroy cannot give the worker's M back, so that and its stacks are lost.
func (portableEngine) destroy(w *worker) {
	if err := w.handle.Delete(); err != nil {
		panic(err)
	}
}

func (portableEngine) cStack(c coro) native { return native(c.Native) }

// newOne makes what the engine of one M keeps for the calling thread.
func (th *thread) newOne() *gort.Thread {
	one := gort.NewThread(&stacks, currentAddress(), uintptr(currentNative()), uintptrOf(th.exceptions))
	setFiberThread(one)
	return one
}

func init() { cStacks = &stacks }

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
