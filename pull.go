package greenlet

import (
	"context"
	"iter"
	"reflect"
	"runtime"

	"github.com/go-greenlet/greenlet/internal/gort"
	"github.com/go-greenlet/greenlet/internal/place"
)

// Pull turns the push iterator seq into two functions, with the contract of
// iter.Pull: next returns the next value and whether there was one; stop ends the
// iteration, after which next returns false. Both may be called any number of
// times. A panic or runtime.Goexit in seq passes to the caller of next or stop.
//
// Unlike iter.Pull's, seq may call C code that calls back and yields from there,
// and so may the callers of next.
//
// As with iter.Pull, any goroutine may call next and stop, one at a time. The iteration
// goes there, with all greenlets that seq has made. It cannot while it is suspended in C, or
// if one of the two was in a [Run] (or on the portable engine; see [Runtime]): then only the
// goroutine may call that made the first call. Another one gets a panic that says so, and so
// does one that calls while another call is under way, with nothing touched.
//
// Among other greenlets there is more that can happen. A yield for which no next waits
// any more, since the caller was killed or had an error thrown at it, ends seq with an
// error that says so. A stop while seq waits elsewhere than in its yield kills it.
//
// An iter.Pull beside it must not be made before seq is suspended in C and used while it
// is, nor made in between and used after that: Go ends the process if the goroutine is
// locked to its thread in another way than before. See "Goroutines and threads".
//
// If neither function is called any more, the iteration is ended like any
// forgotten greenlet; but call stop. See PullContext for one that a context ends.
func Pull[V any](seq iter.Seq[V]) (next func() (V, bool), stop func()) {
	p := &pull[V]{seq: seq}
	g := p.newGreenlet(place.PC(seq), p)
	leave := returnFromNext[V]()
	next = func() (v V, ok bool) {
		if t, to := p.fastTree(), g.fastCoro(); t != nil && to != nil && t.isHereAndIdle() {
			p.beginFastResume(t, g)
			if way, _ := t.one.SwitchFast(to); way != gort.Refused {
				if p.endFastResume(t) {
					v, p.v = p.v, v
					p.endResume()
					if way == gort.Jumped && leave != nil {
						return leave(v, true)
					}
					return v, true
				}
				if p.finishNext(g, "next of Pull") {
					v, p.v = p.v, v
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
	return next, func() { p.stop(g, "stop of Pull") }
}

// Pull2 is Pull for iterators over pairs.
func Pull2[K, V any](seq iter.Seq2[K, V]) (next func() (K, V, bool), stop func()) {
	p := &pull2[K, V]{seq: seq}
	g := p.newGreenlet(place.PC(seq), p)
	next = func() (k K, v V, ok bool) {
		if t, to := p.fastTree(), g.fastCoro(); t != nil && to != nil && t.isHereAndIdle() {
			p.beginFastResume(t, g)
			if way, _ := t.one.SwitchFast(to); way != gort.Refused {
				if p.endFastResume(t) || p.finishNext(g, "next of Pull2") {
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
	return next, func() { p.stop(g, "stop of Pull2") }
}

var returnFromYield = gort.Return[func(bool) bool]()

// returnFromNext returns from next, if what it returns is passed in registers.
func returnFromNext[V any]() func(V, bool) (V, bool) {
	switch reflect.TypeFor[V]().Kind() {
	case reflect.Array, reflect.Struct:
		return nil
	}
	return gort.Return[func(V, bool) (V, bool)]()
}

// PullContext is Pull, but that the end of ctx, by whichever goroutine, ends the
// iteration: the next call of next does as stop does, on the goroutine that has called
// it, so that C frames are left in order, and returns false. context.Cause(ctx)
// says why.
//
// Use it in place of context.AfterFunc(ctx, stop), which calls stop on a goroutine of its
// own, maybe while a next is under way: stop panics there, and nobody recovers that.
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

// requireContext panics as package context does when there is none.
func requireContext(ctx context.Context, op string) {
	if ctx == nil {
		panic(fail(op, nil, errNilContext, "use context.Background()"))
	}
}

type pull[V any] struct {
	asymmetric
	seq iter.Seq[V] // nil once it runs
	v   V
}

type pull2[K, V any] struct {
	asymmetric
	seq iter.Seq2[K, V] // nil once it runs
	k   K
	v   V
}

func (p *pull[V]) run() error {
	seq := p.seq
	p.seq = nil
	seq(func(v V) bool {
		if p.stopped {
			return false
		}
		if t, to := p.beginFastYield(); t != nil {
			p.v = v
			if way, by := t.one.SwitchFast(to); way != gort.Refused {
				if by != t.one {
					t = p.c.tree.Load() // it may have been moved
				}
				if !p.endFastYield(t) {
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

func (p *pull[V]) moved() {}

func (p *pull2[K, V]) run() error {
	seq := p.seq
	p.seq = nil
	seq(func(k K, v V) bool {
		if p.stopped {
			return false
		}
		if t, to := p.beginFastYield(); t != nil {
			p.k, p.v = k, v
			if way, by := t.one.SwitchFast(to); way != gort.Refused {
				if by != t.one {
					t = p.c.tree.Load() // it may have been moved
				}
				if !p.endFastYield(t) {
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

// stop ends an iterator: its yield returns false. A body that waits elsewhere, which
// is only so when its next has ended or was called by somebody else, is killed.
func (h *asymmetric) stop(g *Greenlet, op string) {
	c := g.c
	if c.life.CompareAndSwap(lifePending, lifeDead) || c.life.Load() == lifeDead {
		return
	}
	t, err := g.beginTakeover(op, true)
	if err != nil {
		panic(err)
	}
	if m, came := t.killUnreachable(); came {
		panic(t.overtaken(g, op, m))
	}
	if c.life.Load() == lifeDead {
		t.endOperation()
		return
	}
	if c == t.current.c { // it goes on, to its own end
		h.stopped = true
		return
	}
	if h.parked && !h.stopped && !h.awaited() && t.pin(c) {
		h.stopped = true
		if h.resume(t, g) || h.finishNext(g, op) {
			h.endResume()
		}
		return
	}
	h.stopped = true
	err, goexit := t.kill(op, g)
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
