//go:build cgo && linux

package greenlet

import (
	"errors"

	"github.com/go-greenlet/greenlet/internal/gort"
	"github.com/go-greenlet/greenlet/internal/handle"
)

// This file is the portable engine, and what the engine of one M needs of the C core.

// A portableEngine runs each greenlet on a C stack, an extra M and a goroutine of its own;
// see csrc/go_worker.h.
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
	w.ownCoro = gort.Coro{Native: uintptr(c)}
	w.coro = &w.ownCoro
	return nil
}

func (portableEngine) workerOf(c coro) *worker { return ownerOf(c) }

func (portableEngine) switchTo(th *thread, from, to coro) {
	saved := *th.errno
	from.Park()
	switchNative(native(to.Native))
	from.Unpark()
	*th.errno = saved
}

func (portableEngine) canSuspend(*thread, coro) error { return nil }

// exitTo never returns. The runtime does not allow the goroutine of an extra M to end
// (gdestroy, proc.go), so the worker stays suspended here for good.
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

// destroy releases the handle only. A worker's M can be given back only by the worker itself,
// so the M and the stacks are lost.
func (portableEngine) destroy(w *worker) {
	if err := w.handle.Delete(); err != nil {
		panic(err)
	}
}

func (portableEngine) cStack(c coro) native { return native(c.Native) }

// newCarrier makes the record that the engine of one M keeps of the calling thread.
func (th *thread) newCarrier() *gort.Thread {
	carrier := gort.NewThread(&stacks, currentAddress(), uintptr(currentNative()), uintptrOf(th.exceptions))
	setFiberThread(carrier)
	return carrier
}

func init() { cStacks = &stacks }

// stacks has the functions by which the engine of one M makes and frees C stacks.
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
