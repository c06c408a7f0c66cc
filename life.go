package greenlet

import (
	"errors"
	"runtime"
	"unsafe"
)

// This file is a greenlet's birth, its end, and where its last message goes.

var (
	errDiesPending = errors.New("pending and dies")    // by an error, without running
	errLostRace    = errors.New("somebody else's now") // started or moved by another thread
)

// start makes a pending greenlet ready to be switched to. Nothing is touched when
// it returns an error, but that on errDies the greenlet is dead.
func (t *tree) start(g *Greenlet, k kind) error {
	c := g.c
	if !c.life.CompareAndSwap(lifePending, lifeMoving) {
		return errLostRace
	}
	var w *worker
	var err error
	switch {
	case c.run == nil && (k == kindValue || k == kindError):
		err = ErrNoRun
	case k != kindValue && t.tracer == nil:
		// Dying needs no stack, unless a tracer is to run on it.
		c.run = nil
		c.tree.Store(t)
		c.life.Store(lifeDead)
		return errDiesPending
	case c.hasBadSlots():
		err = errSlot
	case c.rareFields().unlocked:
		err = errNotRun
	default:
		x := c.rareFields()
		if (x.stack != 0 && cStacks != nil || x.slots != nil) && t.free.Load() {
			if err = t.bindToThread(); err == nil && x.slots != nil && t.free.Load() {
				err = errNotBound
			}
		}
		if err == nil {
			w, err = t.th.pool.get(t.th, x.stack)
		}
	}
	if err != nil {
		c.life.Store(lifePending)
		return err
	}
	w.core = c
	t.mu.Lock()
	c.worker, c.coro, c.strongRef = w, w.coro, g
	if c.asym != nil {
		c.coro.SetOwner(nil) // a Switch takes the long way; the worker may have had another greenlet
	} else {
		c.coro.SetOwner(unsafe.Pointer(t))
	}
	if p := c.parent.Load(); p == nil {
		c.parent.Store(t.root) // nobody else does, while it is being started
	} else if !p.c.hasChildren.Load() {
		p.c.hasChildren.Store(true)
	}
	t.addLive(c)
	c.life.Store(lifeStarted)
	t.mu.Unlock()
	if t.slow&slowObserved != 0 {
		t.noteBirth(c)
	}
	return nil
}

// addLive makes c the youngest in the list. Its caller has locked mu.
func (t *tree) addLive(c *core) {
	c.tree.Store(t)
	c.prev, c.next = t.root.c.prev, t.root.c
	c.prev.next, c.next.prev = c, c
	t.nlive++
	if t.unwatched == nil && !c.rareFields().watched {
		t.unwatched = c
	}
}

// isLastGreenlet says whether the tree will most likely end with its only greenlet: an implicit
// root's that nobody knows. No idle worker is needed then.
func (t *tree) isLastGreenlet() bool {
	return t.free.Load() && t.liveCount() == 1 && t.rootRef.Load() == rootUnreferenced && len(t.th.pool.idle) == 0
}

// endGreenlet ends the current greenlet, which w has run: its last message goes to its
// heir, with which w is to go on.
func (t *tree) endGreenlet(w *worker, end *message) coro {
	g := t.current
	t.endSections(end)
	t.markDead(g.c)
	w.coro.Drop()
	if t.free.Load() {
		t.one.Clean(w.coro)
	}
	w.th.exceptions.clear() // a panic of Go's can have left catch blocks of C++ behind
	w.th.pool.put(w)
	return t.deliverLast(g, *end).c.coro
}

// endLastGreenlet is leave for a worker that ends with it.
func (t *tree) endLastGreenlet(w *worker, end *message) {
	g := t.current
	t.endSections(end)
	t.markDead(g.c)
	w.core = nil
	w.retirer = t.deliverLast(g, *end).c.coro
}

// endByGoexit is leave for a worker whose goroutine is in runtime.Goexit.
func (t *tree) endByGoexit(w *worker, m message) {
	g := t.current
	t.endSections(&m)
	t.markDead(g.c)
	t.slow |= slowHousekeeping // w is given up after that
	w.coro.Drop()
	engine.exitTo(w, t.deliverLast(g, m).c.coro)
}

// deliverLast leaves the last message of g, which is dead, to whoever gets it, and makes that
// one the current greenlet.
func (t *tree) deliverLast(g *Greenlet, m message) *Greenlet {
	target, m := t.deliver(g, m)
	m.origin = g
	t.inbox = m
	t.setCurrent(target)
	target.c.countSwitch()
	return target
}

// markDead ends the current greenlet.
func (t *tree) markDead(c *core) {
	if t.slow&slowObserved != 0 {
		t.noteEnd(c)
	}
	if c.rareFields().cState != nil {
		c.releaseCState()
	}
	t.mu.Lock()
	t.removeLive(c)
	c.unwatch()
	c.worker, c.coro = nil, nil
	c.life.Store(lifeDead)
	t.mu.Unlock()
	if t.needsHousekeeping() {
		t.slow |= slowHousekeeping
	}
}

// removeLive takes c out of it. Its caller has locked mu.
func (t *tree) removeLive(c *core) {
	if t.unwatched == c {
		t.unwatched = nil
		if c.next != t.root.c {
			t.unwatched = c.next
		}
	}
	c.prev.next, c.next.prev = c.next, c.prev
	c.prev, c.next = nil, nil
	t.nlive--
}

// resolve finds the greenlet that gets m, which was addressed to g, and makes m what
// arrives there. Pending greenlets on the way start or die as the rules say; a dead one
// stands for its parent. On an error nothing was touched, and the greenlet that is returned is
// the one that could not take m.
func (t *tree) resolve(g *Greenlet, m message) (*Greenlet, message, error) {
	for {
		c := g.c
		// The state is read before the owner: start writes them in the opposite order, so a
		// greenlet that is seen as started is seen with its owner.
		life := c.life.Load()
		if err := t.whyNotMine(g); err != nil {
			return g, m, err
		}
		switch life {
		case lifeStarted:
			if !t.pin(c) {
				return g, m, ErrWrongThread
			}
			return g, m, nil
		case lifeDead:
			if m.kind == kindError {
				m = errorMessage(m.err) // ErrExit arrives as a value
			}
			if c.isRoot() {
				return t.root, m, nil // the root of a released tree stands for the present one
			}
			g = t.heirOrRoot(c)
		case lifePending:
			switch err := t.start(g, m.kind); err {
			case nil:
				return g, m, nil
			case errDiesPending: // by now it has died, so there is no way back
				if m.kind == kindError {
					m = errorMessage(m.err)
				}
				target, m := t.deliver(g, m)
				return target, m, nil
			case errLostRace: // look again
			default:
				return g, m, err
			}
		default:
			runtime.Gosched() // lifeMoving is held for a few instructions
		}
	}
}

// whyNotMine says why g is none of this tree's business, if so.
func (t *tree) whyNotMine(g *Greenlet) error {
	switch o := g.owner(); {
	case o == nil || o == t:
		return nil
	case o.endState() == endNot && !o.isReaper && !o.rootGone():
		return ErrWrongThread
	}
	return ErrThreadExited
}

// deliver finds the greenlet that gets the last message of g, which is dead. Unlike resolve
// it cannot fail: an error on the way goes to the next ancestor in place of the message,
// and the root can always take it.
func (t *tree) deliver(g *Greenlet, m message) (*Greenlet, message) {
	next := t.heirOrRoot(g.c)
	if t.heir != nil {
		next, t.heir = t.heir, nil
	}
	for {
		target, resolved, err := t.resolve(next, m)
		if err == nil {
			return target, resolved
		}
		detail := "it should have started with its child's result"
		if errors.Is(err, ErrWrongThread) || errors.Is(err, ErrThreadExited) {
			detail = "its parent was moved there"
		}
		m = resolved
		m.fail(fail("a greenlet's end", target, err, detail))
		if target.c.isRoot() {
			return t.root, m
		}
		next = t.heirOrRoot(target.c)
	}
}

// heirOrRoot is the heir of c, with the root for what has no parent.
func (t *tree) heirOrRoot(c *core) *Greenlet {
	if p := c.heir(); p != nil {
		return p
	}
	return t.root
}

// heir is who gets control when c ends: the waiter, or the parent. nil stands for
// the root of the tree it is used in.
func (c *core) heir() *Greenlet {
	if by := c.awaited(); by != nil {
		return by
	}
	return c.parent.Load()
}

// A waiter stands in for the parent for some time: Kill, or a Resume or next.
// Waiters of one greenlet form a stack.
type waiter struct {
	by   *Greenlet
	kill bool // a Kill, which SetParent overrides
	next *waiter
}

// awaited is who waits for c, the last one first. nil: nobody.
func (c *core) awaited() *Greenlet {
	for w := c.waiter; w != nil; w = c.waiter {
		if w.by.c.life.Load() != lifeDead {
			return w.by
		}
		c.remove(w) // of one that refused to die and was given up
	}
	return nil
}

func (c *core) push(w *waiter) {
	w.next = c.waiter
	c.waiter = w
}

// remove takes w out, wherever in the stack it is by now.
func (c *core) remove(w *waiter) {
	for p := &c.waiter; *p != nil; p = &(*p).next {
		if *p == w {
			*p = w.next
			break
		}
	}
	w.by, w.next = nil, nil
}
