package greenlet

import (
	"errors"
	"runtime"
	"sync/atomic"
	"unsafe"
)

// This file has a greenlet's start and end, and the rules of where its last message goes.

var (
	// start returns these to resolve and startFast; no user sees them.
	errDiesPending = errors.New("pending and dies")    // the message has ended it, and its body never runs
	errLostRace    = errors.New("somebody else's now") // another goroutine has started, moved or killed it
)

// start gives a pending greenlet a worker, so that it can be switched to with a message of
// kind k. After an error it is pending as before, except that after errDiesPending it is dead.
func (t *tree) start(g *Greenlet, k kind) error {
	c := g.c
	// Any goroutine may use a greenlet that belongs to no tree. The compare-and-swap fails if
	// another one is in start, SetParent or adopt, has started it, or has killed it.
	if !c.life.CompareAndSwap(lifePending, lifeMoving) {
		return errLostRace
	}
	var w *worker
	var err error
	switch {
	case c.run == nil && (k == kindValue || k == kindError):
		err = ErrNoRun
	case k != kindValue && t.tracer == nil:
		// A greenlet that dies without running needs no stack, except for a tracer to run on.
		c.run = nil
		c.tree.Store(t)
		c.life.Store(lifeDead)
		return errDiesPending
	case c.hasBadSlots():
		err = errSlot
	case c.rareFields().unlocked:
		err = errNotRun
	default:
		extra := c.rareFields()
		if (extra.stack != 0 && cStacks != nil || extra.slots != nil) && t.free.Load() {
			if err = t.bindToThread(); err == nil && extra.slots != nil && t.free.Load() {
				err = errNotBound
			}
		}
		if err == nil {
			w, err = t.th.pool.get(t.th, extra.stack)
		}
	}
	if err != nil {
		c.life.Store(lifePending)
		return err
	}
	w.core = c
	t.mu.Lock()
	c.coro, c.strongRef = w.coro, g
	if c.isBody {
		c.asymmetric().fast = true
		c.coro.SetOwner(nil) // Switch is to go by switchSlow; the worker's last greenlet may have set an owner
	} else {
		c.coro.SetOwner(unsafe.Pointer(t))
	}
	if p := c.parent.Load(); p == nil {
		storeBefore(&c.parent, t.root) // no other goroutine writes parent while life is lifeMoving
	} else if !p.c.hasDescendants.Load() {
		p.noteDescendants()
	}
	t.addLive(c)
	c.life.Store(lifeStarted)
	t.mu.Unlock()
	if t.slow&slowObserved != 0 {
		t.noteBirth(c)
	}
	return nil
}

// storeBefore writes *p where an atomic store follows that other goroutines look at before they look at *p, or
// before they can have it. So an ordinary store is enough where the CPU keeps the order of stores: it does not wait for
// those before it. The race detector wants to see an atomic one. (An atomic.Pointer is one word.)
func storeBefore[T any](p *atomic.Pointer[T], v *T) {
	const keepsOrder = runtime.GOARCH == "amd64"
	if keepsOrder && !raceEnabled && unsafe.Sizeof(*p) == unsafe.Sizeof(v) {
		*(**T)(unsafe.Pointer(p)) = v
		return
	}
	p.Store(v)
}

// addLive appends c to the ring of the tree's live greenlets. Its caller has locked mu, and if c was pending it
// stores life after that.
func (t *tree) addLive(c *core) {
	storeBefore(&c.tree, t)
	c.prev, c.next = t.root.c.prev, t.root.c
	c.prev.next, c.next.prev = c, c
	t.nlive++
}

// isLastGreenlet says whether the tree will most likely end with its only greenlet, since its
// root is implicit, the program has no reference to it, and the tree is not to become idle. Then the worker is not
// kept.
func (t *tree) isLastGreenlet() bool {
	return t.known.Load() != treePrivate && t.free.Load() && t.liveCount() == 1 && t.rootRef.Load() == rootUnreferenced &&
		len(t.th.pool.idle) == 0
}

// endGreenlet ends the current greenlet, which w has run with the last message end, and puts
// w into the pool. It returns the coroutine of the greenlet that gets the message, to which w
// is to switch.
func (t *tree) endGreenlet(w *worker, end *message) coro {
	g := t.current
	t.endSections(end)
	plainly := t.endsPlainly(g.c, end)
	t.markDead(g.c)
	w.coro.Drop()
	if t.free.Load() {
		t.carrier.Clean(w.coro)
	}
	w.th.exceptions.clear() // a Go panic may have unwound C++ frames that were handling exceptions
	w.th.pool.put(w)
	if !plainly || !g.c.isBody { // else endedPlainly follows
		t.lookAtEnd()
	}
	if !plainly {
		return t.deliverLast(g, *end).c.coro
	}
	t.inbox.value = end.value
	t.setCurrent(t.root)
	t.root.c.countSwitch()
	return t.root.c.coro
}

// endsPlainly says whether the last message of c, the running greenlet, is a value that the root gets, and
// there is nothing else to do. Then the value alone is left in the inbox, as by a short switch. The end of a body,
// which has none, the next or Resume in which the root waits finds out by endedPlainly. (Or, if the root is in another
// operation just now, inside its tracer, that gets the value nil.)
func (t *tree) endsPlainly(c *core, end *message) bool {
	if end.kind != kindValue || t.slow&^slowHousekeeping != 0 || t.tracer != nil || t.heir != nil || t.killingUnreachable {
		return false // killUnreachable tells by the sender whose end it is
	}
	if c.isBody {
		w := &c.asymmetric().waiter
		return c.waiter == w && w.by == t.root
	}
	p := c.parent.Load()
	return c.waiter == nil && (p == nil || p == t.root)
}

// endLastGreenlet is endGreenlet for a worker whose goroutine ends then, in favour of the
// greenlet that gets the message (successor).
func (t *tree) endLastGreenlet(w *worker, end *message) {
	g := t.current
	t.endSections(end)
	t.markDead(g.c)
	t.lookAtEnd()
	w.core = nil
	w.successor = t.deliverLast(g, *end).c.coro
}

// endByGoexit is endGreenlet for a worker whose goroutine is in runtime.Goexit, and ends.
func (t *tree) endByGoexit(w *worker, m message) {
	g := t.current
	t.endSections(&m)
	t.markDead(g.c)
	t.slow |= slowHousekeeping // the portable engine adds w to the pool's orphans
	w.coro.Drop()
	engine.exitTo(w, t.deliverLast(g, m).c.coro)
}

// deliverLast puts the last message of g, which is dead, into the inbox. It makes the greenlet
// that gets it the current one, and returns it.
func (t *tree) deliverLast(g *Greenlet, m message) *Greenlet {
	target, m := t.deliver(g, m)
	m.origin = g
	t.inbox = m
	t.setCurrent(target)
	target.c.countSwitch()
	return target
}

// lookAtEnd has the operation that gets the last message of a dead greenlet go the long way, whose end
// is endOperation: an implicit tree may end then.
func (t *tree) lookAtEnd() {
	if t.implicit {
		t.slow |= slowHousekeeping
	}
}

// markDead makes c dead: the current greenlet at its end, or a suspended one in destroy. Other
// goroutines look at coro and the ring under mu.
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
	c.coro = nil
	c.life.Store(lifeDead)
	t.mu.Unlock()
	if t.needsHousekeeping() {
		t.slow |= slowHousekeeping
	}
}

// removeLive takes c out of the ring of live greenlets. Its caller has locked mu.
func (t *tree) removeLive(c *core) {
	if t.visited == c {
		t.visited = c.prev
	}
	c.prev.next, c.next.prev = c.next, c.prev
	c.prev, c.next = nil, nil
	t.nlive--
}

// resolve finds the greenlet that gets m, which was sent to g. It returns that one, started and
// pinned, and the message that arrives there. In place of a dead greenlet it takes the parent. A
// pending one is started by a value; any other message ends it, and goes on to its parent. After
// an error nothing was changed (but a greenlet that another goroutine has taken over at once may
// have started), and the greenlet that is returned is the one that could not take m.
func (t *tree) resolve(g *Greenlet, m message) (*Greenlet, message, error) {
	for {
		c := g.c
		// life is read before the owner. start writes tree before life, so if life is lifeStarted
		// here, whyNotMine sees the tree.
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
				return t.root, m, nil // a root of this goroutine whose tree has ended stands for the present one
			}
			g = t.heirOrRoot(c)
		case lifePending:
			switch err := t.start(g, m.kind); err {
			case nil:
				// It may descend from a body that another goroutine takes over just now.
				if !t.pin(c) {
					return g, m, ErrWrongThread
				}
				return g, m, nil
			case errDiesPending: // it has died, so m cannot be refused any more
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
			runtime.Gosched() // lifeMoving: the goroutine in start, SetParent or adopt sets it back soon
		}
	}
}

// whyNotMine returns nil if g belongs to this tree or to none, else ErrWrongThread, or
// ErrThreadExited if the other tree or its goroutine has ended.
func (t *tree) whyNotMine(g *Greenlet) error {
	for {
		owner := g.owner()
		if owner == nil || owner == t {
			return nil
		}
		switch end := owner.endState(); {
		case end == endReleased: // since owner has looked: it looks again
		case end == endNot && !owner.isReaper && !owner.rootGone():
			return ErrWrongThread
		default:
			return ErrThreadExited
		}
	}
}

// deliver finds the greenlet that gets m, the last message of g, which is dead, and returns it
// with the message that arrives there. Other than resolve it cannot fail: if a greenlet cannot
// take the message, the next ancestor gets an error in its place, and the root can always take
// it.
func (t *tree) deliver(g *Greenlet, m message) (*Greenlet, message) {
	next := g.c.awaited() // even if SetParent has moved it as soon as it was dead
	if next == nil {
		next = g.c.parent.Load()
	}
	if t.heir != nil {
		next, t.heir = t.heir, nil
	} else if next == nil || next == t.root { // the ordinary case
		return t.root, m
	}
	for {
		target, resolved, err := t.resolve(next, m)
		if err == nil {
			return target, resolved
		}
		detail := "it should have started with its child's result"
		elsewhere := errors.Is(err, ErrWrongThread) || errors.Is(err, ErrThreadExited)
		if elsewhere {
			detail = "its parent was moved there"
		}
		m = resolved
		m.fail(fail("a greenlet's end", target, err, detail))
		if target.c.isRoot() {
			return t.root, m
		}
		// Who waits for it elsewhere is that goroutine's to know, and such heirs can form a cycle, as
		// parents alone cannot.
		if !elsewhere {
			next = t.heirOrRoot(target.c)
		} else if next = target.c.parent.Load(); next == nil {
			next = t.root
		}
	}
}

// heirOrRoot returns the heir of c, or the root if c has none.
func (t *tree) heirOrRoot(c *core) *Greenlet {
	if p := c.heir(); p != nil {
		return p
	}
	return t.root
}

// heir returns the greenlet that gets control when c ends: the last one that waits for it, or
// the parent. Nil stands for the root of the tree that c is used in. Only the goroutine that
// runs in c's tree may call it. If c has died in another tree, those that wait for it there are
// that tree's to know.
func (c *core) heir() *Greenlet {
	if !c.rareFields().diedElsewhere.Load() {
		if by := c.awaited(); by != nil {
			return by
		}
	}
	return c.parent.Load()
}

// A waiter takes the place of a greenlet's parent while a Kill, a next or a Resume waits for
// that greenlet. The waiters of one greenlet form a stack, core.waiter. Only the goroutine that
// runs in its tree touches them, and one that has claimed it (adopt, moveOut).
type waiter struct {
	by   *Greenlet // the greenlet that waits; nil: this waiter is not in use
	kill bool      // it waits in a Kill; SetParent removes such a waiter
	next *waiter   // the one below in the stack; nil: the parent is next
}

// awaited returns the greenlet that waits for c, the last one if there are several; nil: none.
func (c *core) awaited() *Greenlet {
	for w := c.waiter; w != nil; w = c.waiter {
		if w.by.c.life.Load() != lifeDead {
			return w.by
		}
		c.remove(w) // its greenlet was destroyed, so it has not removed w itself
	}
	return nil
}

// push puts w on the stack.
func (c *core) push(w *waiter) {
	w.next = c.waiter
	c.waiter = w
}

// remove takes w out of the stack, and w is not in use then.
func (c *core) remove(w *waiter) {
	c.unlink(w)
	w.by = nil
}

// lockIfLeft is called by by, which has waited for c and ends its wait. If endOrphan has moved by and
// left c behind, which is movable, it locks the tree of c, since another goroutine may be about to take
// c over: see moveIn.
func (c *core) lockIfLeft(by *core) (unlock func()) {
	if c.tree.Load() == by.tree.Load() {
		return func() {}
	}
	return c.lockTree().mu.Unlock
}

// removeKill is remove for the waiter of a Kill, which ends the wait of its greenlet.
func (c *core) removeKill(w *waiter) {
	w.by.c.waits--
	c.remove(w)
}

// unlink takes w out of the stack, where others may be above it by now. It is all right if w is
// not there.
func (c *core) unlink(w *waiter) {
	for p := &c.waiter; *p != nil; p = &(*p).next {
		if *p == w {
			*p = w.next
			break
		}
	}
	w.next = nil
}
