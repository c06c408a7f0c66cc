package greenlet

import (
	"context"
	"iter"
	"reflect"
	"runtime"
	"unsafe"

	"github.com/go-greenlet/greenlet/internal/gort"
	"github.com/go-greenlet/greenlet/internal/place"
)

// Pull turns the push iterator seq into two functions, with the contract of
// iter.Pull: next returns the next value and whether there was one; stop ends the
// iteration, after which next returns false. Both may be called any number of
// times. A panic or runtime.Goexit in seq passes to the caller of next or stop.
//
// Other than with iter.Pull, seq may yield in a function that C code calls back, and next may
// be called in one.
//
// As with iter.Pull, any goroutine may call next and stop, one at a time. The iteration moves
// to that goroutine, with all greenlets that seq has made. It cannot move while it is suspended
// in C, nor if the goroutine that it leaves or the one that calls is in a [Run], nor on the
// portable engine (see [Runtime]): then only the goroutine that made the first call may call.
// A call by another goroutine panics with an error that says so, and so does a call while
// another one is in progress; neither changes anything.
//
// Other greenlets can come in between. If the caller of next was killed, or had an error
// thrown at it, no next waits any more, and the next yield ends seq with an error that says
// so. A stop while seq waits elsewhere than in its yield kills it.
//
// An iter.Pull that is used on the same goroutine must not be made before seq is suspended in
// C and used while it is, nor made while it is and used after that: Go ends the process if the
// goroutine's locks to its thread are not those under which the iter.Pull was made. See
// "Goroutines and threads".
//
// If the program drops both functions, the iteration ends as any forgotten greenlet does, some
// time after a garbage collection; so call stop. See PullContext for an iteration that ends
// with a context.
func Pull[V any](seq iter.Seq[V]) (next func() (V, bool), stop func()) {
	p := &pull[V]{seq: seq}
	p.byJump = inRegisters[V]()
	g := p.newGreenlet(place.PC(seq), p)
	next = func() (v V, ok bool) {
		p := (*pull[V])(unsafe.Pointer(g.c))
		t, to := p.fastTarget()
		if t == nil {
			t, to = p.startFast(g)
		}
		if t != nil && to != nil && t.isHere() && t.nothingToDo() {
			p.beginFastResume(t, g)
			if way, _ := t.carrier.SwitchFast(to); way != gort.Refused {
				if p.endFastResume(t) || p.endNotedResume(t) {
					v, p.v = p.v, v
					p.endResume()
					if way == gort.Jumped && p.byJump {
						return gort.Return[func(V, bool) (V, bool)]()(v, true)
					}
					return v, true
				}
				if p.finishNext(g, "next of Pull") {
					v, p.v = p.v, v
					p.endResume()
					return v, true
				}
				return v, false
			}
			p.undoFastResume(t)
		}
		if p.next(g, "next of Pull") {
			v, p.v = p.v, v
			p.endResume()
			return v, true
		}
		return v, false
	}
	return next, func() { g.c.asymmetric().stop(g, "stop of Pull") }
}

// Pull2 is Pull for iterators over pairs.
func Pull2[K, V any](seq iter.Seq2[K, V]) (next func() (K, V, bool), stop func()) {
	p := &pull2[K, V]{seq: seq}
	g := p.newGreenlet(place.PC(seq), p)
	next = func() (k K, v V, ok bool) {
		p := (*pull2[K, V])(unsafe.Pointer(g.c))
		t, to := p.fastTarget()
		if t == nil {
			t, to = p.startFast(g)
		}
		if t != nil && to != nil && t.isHere() && t.nothingToDo() {
			p.beginFastResume(t, g)
			if way, _ := t.carrier.SwitchFast(to); way != gort.Refused {
				if p.endFastResume(t) || p.endNotedResume(t) || p.finishNext(g, "next of Pull2") {
					k, p.k = p.k, k
					v, p.v = p.v, v
					p.endResume()
					return k, v, true
				}
				return k, v, false
			}
			p.undoFastResume(t)
		}
		if p.next(g, "next of Pull2") {
			k, p.k = p.k, k
			v, p.v = p.v, v
			p.endResume()
			return k, v, true
		}
		return k, v, false
	}
	return next, func() { g.c.asymmetric().stop(g, "stop of Pull2") }
}

// returnFromYield returns from an iterator's yield by a jump; see gort.Return. It is used when
// SwitchFast has returned Jumped.
var returnFromYield = gort.Return[func(bool) bool]()

// inRegisters says whether a value of that type is surely returned in registers, as gort.Return needs it: an array or a
// struct may not be.
func inRegisters[V any]() bool {
	kind := reflect.TypeFor[V]().Kind()
	return kind != reflect.Array && kind != reflect.Struct
}

// PullContext is Pull for an iteration that also ends with ctx. Once ctx is done, the next call
// of next does what stop does and returns false. It does so on the goroutine that calls it, so
// that C frames return in order. context.Cause(ctx) is the reason.
//
// Use it in place of context.AfterFunc(ctx, stop): that calls stop on a goroutine of its own,
// maybe while a next is in progress; then stop panics, on a goroutine that does not recover it.
func PullContext[V any](ctx context.Context, seq iter.Seq[V]) (next func() (V, bool), stop func()) {
	requireContext(ctx, "PullContext")
	pulled, stop := Pull(seq)
	return func() (v V, ok bool) {
		if ctx.Err() != nil {
			stop()
			return v, false
		}
		return pulled()
	}, stop
}

// Pull2Context is PullContext for iterators over pairs.
func Pull2Context[K, V any](ctx context.Context, seq iter.Seq2[K, V]) (next func() (K, V, bool), stop func()) {
	requireContext(ctx, "Pull2Context")
	pulled, stop := Pull2(seq)
	return func() (k K, v V, ok bool) {
		if ctx.Err() != nil {
			stop()
			return k, v, false
		}
		return pulled()
	}, stop
}

// requireContext panics if ctx is nil, as the functions of package context do.
func requireContext(ctx context.Context, op string) {
	if ctx == nil {
		panic(fail(op, nil, errNilContext, "use context.Background()"))
	}
}

// pull is the state that next and the body of a Pull share. The body writes v before it yields,
// and next takes it out after that; only one of the two runs at a time. The core of the body's greenlet is
// its beginning, so next and stop have a reference to the greenlet alone, and less memory.
type pull[V any] struct {
	asymmetric
	seq iter.Seq[V] // nil once it runs, so that it is not retained
	v   V
}

// pull2 is the same for Pull2.
type pull2[K, V any] struct {
	asymmetric
	seq iter.Seq2[K, V] // nil once it runs, so that it is not retained
	k   K
	v   V
}

// run is the body of a Pull. It has SwitchFast in the yield itself: see beginFastResume.
func (p *pull[V]) run() error {
	seq := p.seq
	p.seq = nil
	seq(func(v V) bool {
		if p.stopped {
			return false
		}
		if t, to := p.beginFastYield(); t != nil {
			p.v = v
			if way, thread := t.carrier.SwitchFast(to); way != gort.Refused {
				if thread != t.carrier {
					t = p.c.tree.Load() // the body may have been moved to another tree
				}
				if !p.endFastYield(t) && !p.endNotedYield(t) {
					p.finishYield()
				} else if way == gort.Jumped {
					return returnFromYield(!p.stopped)
				}
				return !p.stopped
			}
			p.undoFastYield(t)
		}
		t, to, err := p.checkYield("yield")
		if err != nil {
			p.yieldRefused(err)
			return false
		}
		p.v = v
		if !p.yield(t, to) {
			p.finishYield()
		}
		return !p.stopped
	})
	return nil
}

func (p *pull[V]) moved() {} // no value passes to the body

func (p *pull2[K, V]) run() error {
	seq := p.seq
	p.seq = nil
	seq(func(k K, v V) bool {
		if p.stopped {
			return false
		}
		if t, to := p.beginFastYield(); t != nil {
			p.k, p.v = k, v
			if way, thread := t.carrier.SwitchFast(to); way != gort.Refused {
				if thread != t.carrier {
					t = p.c.tree.Load() // the body may have been moved to another tree
				}
				if !p.endFastYield(t) && !p.endNotedYield(t) {
					p.finishYield()
				} else if way == gort.Jumped {
					return returnFromYield(!p.stopped)
				}
				return !p.stopped
			}
			p.undoFastYield(t)
		}
		t, to, err := p.checkYield("yield")
		if err != nil {
			p.yieldRefused(err)
			return false
		}
		p.k, p.v = k, v
		if !p.yield(t, to) {
			p.finishYield()
		}
		return !p.stopped
	})
	return nil
}

func (p *pull2[K, V]) moved() {}

// stop ends an iterator: its yield returns false. A body that is suspended elsewhere than in
// its yield is killed. That is possible if a message from another greenlet has ended the next
// that had resumed it, and if another greenlet of the tree calls stop while a next waits. A body
// that was started and has not run (c.run is not nil yet) is killed, too: startFast has started it,
// and the next was refused then.
func (a *asymmetric) stop(g *Greenlet, op string) {
	c := g.c
	// The compare-and-swap fails if the body has started or is dead, and while another goroutine
	// is in start, SetParent or adopt (lifeMoving). Then what follows finds the state again.
	switch c.life.Load() {
	case lifePending:
		if c.life.CompareAndSwap(lifePending, lifeDead) {
			return
		}
	case lifeDead:
		return
	}
	if t, to := a.fastTarget(); t != nil && to != nil && t.isHere() && t.nothingToDo() && !a.stopped && c.run == nil {
		a.beginFastResume(t, g)
		t.stopping = true
		if way, _ := t.carrier.SwitchFast(to); way != gort.Refused {
			if a.endFastResume(t) || a.endNotedResume(t) || a.finishNext(g, op) {
				a.endResume()
			}
			return
		}
		a.undoFastResume(t)
	}
	t, err := g.beginTakeover(op, true)
	if err != nil {
		panic(err)
	}
	if m, came := t.catchUp(); came {
		panic(t.overtaken(g, op, m))
	}
	if c.life.Load() == lifeDead {
		t.endOperation()
		return
	}
	if c == t.current.c { // the body itself has called stop, and goes on: its next yield returns false
		a.stopped = true
		return
	}
	// Else another goroutine is starting the body, or moving it; kill waits for that, and refuses
	// if the body is the other one's then.
	goexit := false
	if c.life.Load() == lifeStarted && c.tree.Load() == t && t.pin(c) { // before its state is looked at, and changed
		if a.parked && !a.stopped && c.run == nil && !a.awaited() {
			a.stopped = true
			if a.resume(t, g) || a.finishNext(g, op) {
				a.endResume()
			}
			return
		}
		a.stopped = true
		err, goexit = t.killPinned(op, g)
	} else {
		err, goexit = t.kill(op, g)
	}
	t.endOperation()
	if goexit {
		runtime.Goexit()
	}
	if p, ok := err.(*PanicError); ok {
		panic(p.Value)
	}
	if err != nil {
		panic(thrown{Err: err})
	}
}
