package greenlet

import "iter"

// Pull turns the push iterator seq into two functions, with the contract of
// iter.Pull: next returns the next value and whether there was one; stop ends the
// iteration, after which next returns false. Both may be called any number of
// times. A panic or runtime.Goexit in seq passes to the caller of next or stop.
//
// Unlike iter.Pull's, seq may call C code that calls back and yields from there,
// and so may the callers of next. The price: all calls come from the goroutine
// (or the tree) that made the first one. Another one gets a panic that says so,
// with nothing touched.
//
// If neither function is called any more, the iteration is ended like any
// forgotten greenlet; but call stop.
func Pull[V any](seq iter.Seq[V]) (next func() (V, bool), stop func()) {
	p := &pull[V]{}
	g := p.newHand(func(any) (any, error) {
		seq(func(v V) bool {
			if p.stopped {
				return false
			}
			p.v = v
			if resumed, err := p.yield("yield"); !resumed {
				p.give(&p.stopped, err)
			}
			return !p.stopped
		})
		return nil, nil
	})
	next = func() (v V, ok bool) {
		if p.next(g, "next of Pull") {
			v, p.v = p.v, v
			return v, true
		}
		return v, false
	}
	return next, func() { p.stop(g, "stop of Pull", &p.stopped) }
}

// Pull2 is Pull for iterators over pairs.
func Pull2[K, V any](seq iter.Seq2[K, V]) (next func() (K, V, bool), stop func()) {
	p := &pull2[K, V]{}
	g := p.newHand(func(any) (any, error) {
		seq(func(k K, v V) bool {
			if p.stopped {
				return false
			}
			p.k, p.v = k, v
			if resumed, err := p.yield("yield"); !resumed {
				p.give(&p.stopped, err)
			}
			return !p.stopped
		})
		return nil, nil
	})
	next = func() (k K, v V, ok bool) {
		if p.next(g, "next of Pull2") {
			k, p.k = p.k, k
			v, p.v = p.v, v
			return k, v, true
		}
		return k, v, false
	}
	return next, func() { p.stop(g, "stop of Pull2", &p.stopped) }
}

type pull[V any] struct {
	hand
	v       V
	stopped bool
}

type pull2[K, V any] struct {
	hand
	k       K
	v       V
	stopped bool
}

// stop ends an iterator: its yield returns false.
func (h *hand) stop(g *Greenlet, op string, stopped *bool) {
	if g.c.life.CompareAndSwap(lifePending, lifeDead) {
		return
	}
	if h.parked && g.c.tree.Load() == currentTree() {
		*stopped = true
	}
	h.next(g, op)
}
