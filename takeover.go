package greenlet

import (
	"errors"
	"runtime"
	"unsafe"
)

// This file moves suspended greenlets from one goroutine's tree to another's.

var (
	errInUse  = errors.New("it runs, or waits in or for a next, a Resume or a Kill")
	errHeld   = errors.New("it is suspended in C code, or has locked its thread, so it can go on only on its own goroutine")
	errEnds   = errors.New("the tree there is about to end")
	errScope  = errors.New("it was begun outside of a Run and is used in it, or the other way round")
	errBubble = errors.New("one of the two is in a bubble of testing/synctest")
)

// beginTakeover is beginOperation for operations on the body of an asymmetric coroutine that
// any goroutine may do: it moves the body to the caller's tree. ends says that the operation
// ends the body. Any other operation must not move a started body into a Run, whose end would
// kill it, or out of one.
func (g *Greenlet) beginTakeover(op string, ends bool) (*tree, error) {
	if !g.valid() || !g.c.isBody {
		return g.beginOperation(op)
	}
	t, owner := treeHere(), g.owner()
	if owner == nil || owner == t || !owner.free.Load() {
		return g.beginOperationIn(t, op)
	}
	endThreads() // the body may be held by a thread that has ended, and is dead then
	// A pending body may be used although the goroutine that has made it has ended, and a dead one
	// stands for nothing there.
	if end := owner.end.Load(); end != endNot && (end != endThread || g.c.life.Load() == lifeStarted) {
		return g.beginOperationIn(t, op)
	}
	if t == nil {
		var err error
		if t, err = privateTree(); err != nil {
			return nil, err
		}
	} else if t.sections != 0 {
		return nil, fail(op, g, errSection, "leave it first")
	} else if err := engine.canSuspend(t.th, t.current.c.coro); err != nil {
		return nil, fail(op, g, err, "")
	}
	if err := t.adopt(g.c, owner, ends || t.implicit && owner.implicit); err != nil {
		t.endOperation()
		return nil, fail(op, g, errors.Join(ErrWrongThread, err), "")
	}
	return t, nil
}

// adopt moves c, the body of an asymmetric coroutine, from another tree to this one, in which
// the calling goroutine runs. If started is false, it moves a pending body only. On an error
// nothing was changed.
func (t *tree) adopt(c *core, source *tree, started bool) error {
	for {
		switch c.life.Load() {
		case lifeDead:
			return nil
		case lifePending:
			// It fails if c is being started, moved or killed by another goroutine: look again.
			if c.life.CompareAndSwap(lifePending, lifeMoving) {
				c.parent.Store(nil) // which stands for the root that it is used from next
				c.life.Store(lifePending)
				return nil
			}
		case lifeStarted:
			if !started {
				return errScope
			}
			return t.moveIn(c, source, func() error {
				switch {
				case c.asymmetric().waiter.by != nil:
					return errInUse
				case !c.asymmetric().parked: // it is suspended elsewhere than in its yield
					return errBusy
				}
				return nil
			})
		}
		runtime.Gosched()
	}
}

// moveIn moves c, which is suspended in another tree, and the greenlets below it to this tree.
// It calls accept while it has claimed c, so that no other goroutine can touch it, and moves
// nothing if that returns an error.
func (t *tree) moveIn(c *core, source *tree, accept func() error) error {
	source.mu.Lock() // endTiedTree may be ending c now, on a thread that ends; it writes under mu, too
	err := source.claim(c)
	movable := err == nil && c.canMove() // under mu because of lockIfLeft
	source.mu.Unlock()
	if err != nil {
		return err
	}
	record := &source.record.carrier
	if record.Bubble() || t.carrier.Bubble() {
		c.coro.Unclaim(record)
		return errBubble
	}
	if !movable {
		err = errInUse
	} else {
		err = accept()
	}
	if err != nil {
		c.coro.Unclaim(record)
		return err
	}
	source.makeKnown() // before nlive is lessened: see becomeIdle
	source.mu.Lock()
	claimed := []*core{c}
	if c.hasDescendants.Load() {
		for d := source.root.c.next; d != source.root.c; d = d.next {
			if d == c || !d.descendsFrom(c) {
				continue
			}
			err := source.claim(d)
			if err == nil {
				if claimed = append(claimed, d); !d.canMove() {
					err = errInUse
				}
			}
			if err != nil {
				for _, d := range claimed {
					d.coro.Unclaim(record)
				}
				source.mu.Unlock()
				return err
			}
		}
	}
	source.movedSomeOut = true
	for _, d := range claimed {
		source.removeLive(d)
		d.tree.Store(t) // at once, so that lockTree locks the tree in which d goes on and ends
	}
	source.mu.Unlock()
	for _, d := range claimed {
		t.admit(d)
	}
	if source.orphaned.Load() { // c may have been the last greenlet that kept the tree
		endingMu.Lock()
		source.endIfEmpty()
		endingMu.Unlock()
	}
	return nil
}

// moveOut moves c, a started greenlet of the calling goroutine's tree, and the greenlets below
// it to the tree of parent, its new one. It returns errEnds if that tree is
// ending or has become a bound one.
func (t *tree) moveOut(c *core, parent *Greenlet, target *tree) error {
	if c == t.current.c {
		return errInUse
	}
	endingMu.Lock() // meanwhile no other goroutine ends the target tree, and its own does not bind it
	defer endingMu.Unlock()
	parent.noteDescendants()
	old := c.parent.Swap(parent) // before the other goroutine can resume it
	err := target.moveIn(c, t, func() error {
		target.referenceRoot() // the tree lasts now, unless endOperation has released it just before
		if target.rootRef.Load() == rootReleased || target.end.Load() != endNot || target.rootGone() || !target.free.Load() {
			return errEnds
		}
		return nil
	})
	if err != nil {
		c.parent.Store(old)
	}
	return err
}

// canMove says whether c, which is claimed, neither waits for another greenlet to end or to yield,
// nor is waited for. One of the two would be left in the old tree, and only its goroutine may use
// the entry that joins them.
func (c *core) canMove() bool { return c.waits == 0 && c.waiter == nil }

// claim claims a started greenlet of this tree, which belongs to another goroutine, by
// gort.Coro.Claim: no goroutine can switch to it or move it until gort.Coro.Place or Unclaim.
// The caller holds mu, under which greenlets end and leave the tree.
func (t *tree) claim(c *core) error {
	if c.tree.Load() != t || t.record == nil || c.coro == nil {
		return errInUse
	}
	// prober is read on both sides of current, since callOn sets it before and answerProbe clears it
	// after they change current: so one of the three finds c while c is one of the two.
	away := func() bool { return t.prober.Load() == c || t.runs(c) || t.prober.Load() == c }
	if !c.coro.Claim(&t.record.carrier, away) {
		if c.coro.Held() {
			return errHeld
		}
		return errInUse
	}
	return nil
}

// descendsFrom says whether ancestor is one of c's.
func (c *core) descendsFrom(ancestor *core) bool {
	for p := c.parent.Load(); p != nil; p = p.c.parent.Load() {
		if p.c == ancestor {
			return true
		}
	}
	return false
}

// admit ends the move of a claimed greenlet, which is in no tree's ring: this tree gets it.
func (t *tree) admit(c *core) {
	t.makeKnown() // there may be references to c
	engine.workerOf(c.coro).th = t.th
	if c.isBody {
		a := c.asymmetric()
		a.fast = false
		a.body.moved()
	}
	t.mu.Lock()
	t.addLive(c)
	t.mu.Unlock()
	if p := c.parent.Load(); p != nil && p.owner() != t {
		c.parent.Store(t.root)
	}
	c.coro.Place(t.carrier, unsafe.Pointer(t))
}
