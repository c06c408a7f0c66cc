package greenlet

import "sync"

// What a free tree's goroutine leaves behind, or forgets, is ended by goroutines of this
// package's own, which take it over: each is the root of a tree for the time.

// endIfOrphan is called after each collection.
func (t *tree) endIfOrphan() {
	if t.gone() && t.end.Load() == endNot && !t.made.one.Bubble() && t.orphaned.CompareAndSwap(false, true) {
		go t.endOrphan()
	}
}

// orphans is for the trees that have no goroutine any more.
var orphans sync.Mutex

// endOrphan ends the greenlets of a tree whose goroutine has ended, but for those with
// which any other one may go on, and gives the rest back. Those that hold a thread go on nowhere: they end with their thread, see endGuest.
func (t *tree) endOrphan() {
	mine := newFreeTree(true)
	mine.buries = true
	orphans.Lock()
	left := t.pick(func(c *core) bool { return !c.portable() && t.claim(c) == nil })
	t.mu.Lock()
	for _, c := range left {
		t.unlink(c)
		c.tree.Store(mine)
	}
	t.mu.Unlock()
	for _, c := range left {
		mine.receive(c)
	}
	idle := t.th.pool.idle
	t.th.pool.idle = nil
	for _, w := range idle {
		w.th = mine.th
		w.coro.Place(mine.one, nil)
		mine.th.pool.put(w)
	}
	t.th.pool.sweep()
	t.endIfEmpty()
	// Somebody may have looked at one of them just then: the next collection tries again.
	if len(t.pick(func(c *core) bool { return !c.portable() && !c.coro.Held() })) == 0 {
		roots.remove(t)
	} else {
		t.orphaned.Store(false)
	}
	for t.watchNext() {
	}
	orphans.Unlock()
	for c := mine.youngest(); c != nil; c = mine.youngest() {
		mine.endOne(c)
	}
	mine.close(endReleased)
}

// endIfEmpty ends a tree that has no goroutine any more, if nothing lives in it. Its caller
// has locked orphans.
func (t *tree) endIfEmpty() {
	if t.many() == 0 {
		t.th.raceAcquire() // its goroutine's last call
		t.finish(endThread)
	}
}

// portable says whether any goroutine may go on with c: it is the body of a hand, or hangs
// under one. Such a one is not ended with its goroutine, but when it is forgotten.
func (c *core) portable() bool {
	for {
		if c.hand != nil {
			return true
		}
		p := c.parent.Load()
		if p == nil {
			return false
		}
		c = p.c
	}
}

// pick returns those that live for which ok says yes, the oldest first.
func (t *tree) pick(ok func(c *core) bool) (picked []*core) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for c := t.root.c.next; c != t.root.c; c = c.next {
		if ok(c) {
			picked = append(picked, c)
		}
	}
	return picked
}

// endOne kills a greenlet that nobody else will. If it refuses, it is given up.
func (t *tree) endOne(c *core) {
	g := c.greenlet()
	done := false
	defer func() {
		if !done {
			_ = recover() // of the hook's: there is nobody to hear it
		}
	}()
	err, goexit := t.kill("the end of its goroutine", g)
	if c.life.Load() == lifeStarted && c.tree.Load() == t && t.hold(c) {
		t.drop(c)
	}
	if goexit && err == nil {
		err = errGoexit
	}
	if h := unraisable.Load(); err != nil && h != nil && *h != nil {
		(*h)(g, err)
	}
	done = true
}

// endForgotten ends a greenlet of a free tree of which the collector has found that nobody
// knows it any more. What cannot be taken away is left to its tree's next call.
func endForgotten(c *core) {
	o := c.tree.Load()
	if o.buries {
		return // endOrphan ends it, and is to find it where it is
	}
	mine := newFreeTree(true)
	err := mine.fetch(c, o, func() bool { return !c.known() })
	if err == nil {
		mine.endOne(c)
	} else if c.life.Load() == lifeStarted && !o.gone() {
		o.forgot(c)
	}
	mine.done()
}

// endGuest is called when a thread has ended. If a free tree was tied to it, its goroutine
// has ended there, and what was suspended on the thread's stacks will never go on.
func (th *thread) endGuest() {
	t := th.guest.Load()
	if t == nil || !t.made.one.TiedTo(th.one) {
		return
	}
	orphans.Lock()
	t.th.raceAcquire()
	for _, c := range t.pick(func(c *core) bool { return c.coro.Held() }) {
		t.drop(c)
	}
	t.th.pool.sweep()
	t.made.one.ThreadEnded()
	if t.orphaned.Load() {
		t.endIfEmpty()
	}
	orphans.Unlock()
	t.endIfOrphan()
}
