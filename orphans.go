package greenlet

import "sync"

// What a free tree's goroutine leaves suspended when it ends, and what the collector finds
// unreachable in a free tree, goroutines of this package end. Each becomes the root of a tree
// for that time, and moves the greenlets there.

// endIfOrphan starts endOrphan for a free tree whose goroutine has ended. It is called after
// each collection and at the end of a thread. An idle tree is none, and a private one, which the list
// of all trees makes known, may become idle and another goroutine's. The compare-and-swap fails if another call has
// started it, and endOrphan has not cleared the word.
func (t *tree) endIfOrphan() {
	if t.known.Load() == treeKnown && t.rootGone() && t.end.Load() == endNot && !t.record.carrier.Bubble() &&
		t.orphaned.CompareAndSwap(false, true) {
		go t.endOrphan()
	}
}

// endingMu is held by the goroutines that end a tree whose own goroutine has ended, and
// by those whose greenlets must not get into a tree that ends or becomes bound: moveOut and
// bindToThread. It is locked before tree.mu.
var endingMu sync.Mutex

// endOrphan kills the greenlets of a tree whose goroutine has ended, and frees the rest of the
// tree. It leaves two kinds. Movable greenlets stay, since another goroutine may go on with
// them. Those that are held by a thread cannot be moved; they end with it, see endTiedTree.
func (t *tree) endOrphan() {
	reaper := newFreeTree(true, false)
	reaper.isReaper = true
	endingMu.Lock()
	claimed := t.liveWhere(func(c *core) bool { return !c.isMovable() && t.claim(c) == nil })
	t.mu.Lock()
	for _, c := range claimed {
		t.removeLive(c)
		c.tree.Store(reaper)
	}
	t.mu.Unlock()
	for _, c := range claimed {
		reaper.admit(c)
	}
	idle := t.th.pool.idle
	t.th.pool.idle = nil
	for _, w := range idle {
		w.th = reaper.th
		w.coro.Place(reaper.carrier, nil)
		reaper.th.pool.put(w)
	}
	t.th.pool.freeOrphans()
	t.endIfEmpty()
	// A claim fails while endUnreachable has claimed the greenlet, which may come to nothing:
	// then the next collection tries again.
	if len(t.liveWhere(func(c *core) bool { return !c.isMovable() && !c.coro.Held() })) == 0 {
		roots.remove(t)
	} else {
		t.orphaned.Store(false)
	}
	for t.watchNext() {
	}
	endingMu.Unlock()
	for c := reaper.youngest(); c != nil; c = reaper.youngest() {
		reaper.endAbandoned(c)
	}
	reaper.close(endReleased)
}

// endIfEmpty ends a tree whose goroutine has ended, if no greenlet lives in it. The caller
// holds endingMu.
func (t *tree) endIfEmpty() {
	if t.liveCount() == 0 {
		t.th.raceAcquire() // after the last call of its goroutine
		t.finish(endThread)
	}
}

// isMovable says whether any goroutine may go on with c, because it is the body of an
// asymmetric coroutine or a descendant of one. The end of its goroutine does not end such a
// greenlet; it is killed when it is unreachable.
func (c *core) isMovable() bool {
	for {
		if c.isBody {
			return true
		}
		p := c.parent.Load()
		if p == nil {
			return false
		}
		c = p.c
	}
}

// liveWhere returns the started greenlets for which ok returns true, the oldest first. It calls
// ok under mu.
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

// endAbandoned kills a greenlet on behalf of its goroutine, which has ended or has no reference
// to it, and reports to the hook of SetUnraisableHook. A greenlet that refuses to die is
// destroyed. It runs on a goroutine of this package's own.
func (t *tree) endAbandoned(c *core) {
	g := c.userRef()
	returned := false
	defer func() {
		if !returned {
			_ = recover() // a panic of the hook's, which SetUnraisableHook says is lost
		}
	}()
	err, goexit := t.kill("the end of its goroutine", g)
	if c.life.Load() == lifeStarted && c.tree.Load() == t && t.pin(c) {
		t.destroy(c)
	}
	if goexit && err == nil {
		err = errGoexit
	}
	if hook := unraisable.Load(); err != nil && hook != nil && *hook != nil {
		(*hook)(g, err)
	}
	returned = true
}

// endUnreachable kills a greenlet of a free tree that the collector has found unreachable. If
// it cannot be moved to a tree of this goroutine's, its own tree kills it at its next call.
func endUnreachable(c *core) {
	source := c.tree.Load()
	if source.isReaper {
		return // endOrphan ends c, and has to find it in that tree
	}
	killer := newFreeTree(true, false)
	err := killer.moveIn(c, source, func() error {
		if c.livingRef() != nil {
			return errInUse
		}
		return nil
	})
	if err == nil {
		killer.endAbandoned(c)
	} else if c.life.Load() == lifeStarted && !source.rootGone() {
		source.queueUnreachable(c)
	}
	killer.endOperation()
}

// endTiedTree is called when a thread has ended. If a free tree was tied to it, the tree's
// goroutine has ended there, and the greenlets that were suspended on the thread's stacks will
// never go on: it destroys them.
func (th *thread) endTiedTree() {
	t := th.tiedTree.Load()
	if t == nil || !t.record.carrier.TiedTo(th.carrier) {
		return
	}
	endingMu.Lock()
	t.th.raceAcquire()
	for _, c := range t.liveWhere(func(c *core) bool { return c.coro.Held() }) {
		t.destroy(c)
	}
	t.th.pool.freeOrphans()
	t.record.carrier.ThreadEnded()
	if t.orphaned.Load() {
		t.endIfEmpty()
	}
	endingMu.Unlock()
	t.endIfOrphan()
}
