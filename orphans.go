package greenlet

import "sync"

// What a free tree's goroutine leaves behind, or forgets, is ended by goroutines of this
// package's own, which take it over: each is the root of a tree for the time.

// endIfOrphan is called after each collection.
func (t *tree) endIfOrphan() {
	if t.rootGone() && t.end.Load() == endNot && !t.record.one.Bubble() && t.orphaned.CompareAndSwap(false, true) {
		go t.endOrphan()
	}
}

// endingOrphans is for the trees that have no goroutine any more.
var endingOrphans sync.Mutex

// endOrphan ends the greenlets of a tree whose goroutine has ended, but for those with
// which any other one may go on, and gives the rest back. Those that hold a thread go on nowhere: they end with their thread, see endGuest.
func (t *tree) endOrphan() {
	mine := newFreeTree(true)
	mine.isReaper = true
	endingOrphans.Lock()
	left := t.liveWhere(func(c *core) bool { return !c.isMovable() && t.claim(c) == nil })
	t.mu.Lock()
	for _, c := range left {
		t.removeLive(c)
		c.tree.Store(mine)
	}
	t.mu.Unlock()
	for _, c := range left {
		mine.admit(c)
	}
	idle := t.th.pool.idle
	t.th.pool.idle = nil
	for _, w := range idle {
		w.th = mine.th
		w.coro.Place(mine.one, nil)
		mine.th.pool.put(w)
	}
	t.th.pool.freeOrphans()
	t.endIfEmpty()
	// Somebody may have looked at one of them just then: the next collection tries again.
	if len(t.liveWhere(func(c *core) bool { return !c.isMovable() && !c.coro.Held() })) == 0 {
		roots.remove(t)
	} else {
		t.orphaned.Store(false)
	}
	for t.watchNext() {
	}
	endingOrphans.Unlock()
	for c := mine.youngest(); c != nil; c = mine.youngest() {
		mine.endAbandoned(c)
	}
	mine.close(endReleased)
}

// endIfEmpty ends a tree that has no goroutine any more, if nothing lives in it. Its caller
// has locked orphans.
func (t *tree) endIfEmpty() {
	if t.liveCount() == 0 {
		t.th.raceAcquire() // its goroutine's last call
		t.finish(endThread)
	}
}

// isMovable says whether any goroutine may go on with c: it is the body of a hand, or hangs
// under one. Such a one is not ended with its goroutine, but when it is forgotten.
func (c *core) isMovable() bool {
	for {
		if c.asym != nil {
			return true
		}
		p := c.parent.Load()
		if p == nil {
			return false
		}
		c = p.c
	}
}

// liveWhere returns those that live for which ok says yes, the oldest first.
func (t *tree) liveWhere(ok func(c *core) bool) (picked []*core) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for c := t.root.c.next; c != t.root.c; c = c.next {
		if ok(c) {
			picked = append(picked, c)
		}
	}
	return picked
}

// endAbandoned kills a greenlet that nobody else will. If it refuses, it is given up.
func (t *tree) endAbandoned(c *core) {
	g := c.userRef()
	done := false
	defer func() {
		if !done {
			_ = recover() // of the hook's: there is nobody to hear it
		}
	}()
	err, goexit := t.kill("the end of its goroutine", g)
	if c.life.Load() == lifeStarted && c.tree.Load() == t && t.pin(c) {
		t.destroy(c)
	}
	if goexit && err == nil {
		err = errGoexit
	}
	if h := unraisable.Load(); err != nil && h != nil && *h != nil {
		(*h)(g, err)
	}
	done = true
}

// endUnreachable ends a greenlet of a free tree of which the collector has found that nobody
// knows it any more. What cannot be taken away is left to its tree's next call.
func endUnreachable(c *core) {
	o := c.tree.Load()
	if o.isReaper {
		return // endOrphan ends it, and is to find it where it is
	}
	mine := newFreeTree(true)
	err := mine.moveIn(c, o, func() bool { return !c.isReferenced() })
	if err == nil {
		mine.endAbandoned(c)
	} else if c.life.Load() == lifeStarted && !o.rootGone() {
		o.queueUnreachable(c)
	}
	mine.endOperation()
}

// endTiedTree is called when a thread has ended. If a free tree was tied to it, its goroutine
// has ended there, and what was suspended on the thread's stacks will never go on.
func (th *thread) endTiedTree() {
	t := th.tiedTree.Load()
	if t == nil || !t.record.one.TiedTo(th.one) {
		return
	}
	endingOrphans.Lock()
	t.th.raceAcquire()
	for _, c := range t.liveWhere(func(c *core) bool { return c.coro.Held() }) {
		t.destroy(c)
	}
	t.th.pool.freeOrphans()
	t.record.one.ThreadEnded()
	if t.orphaned.Load() {
		t.endIfEmpty()
	}
	endingOrphans.Unlock()
	t.endIfOrphan()
}
