package greenlet

import (
	"runtime"
	"sync/atomic"
	"weak"
)

// This file finds suspended greenlets that the program has no reference to any more, and kills
// them.
//
// The program refers to a greenlet by its Greenlet, which refers to the core. The core refers to
// the Greenlet in one of two ways, under tree.mu:
//
//	strongRef set    from the start until a collection has been: the Greenlet is reachable
//	weakRef set      after watch: the Greenlet is reachable only if the program refers to it
//
//	        start             watch
//	pending -----> strongRef -------> weakRef, and a cleanup
//	                   ^                        |
//	                   +-------- userRef -------+   (which calls watch at once)
//
// From both states markDead leads to dead: strongRef is nil and the cleanup is stopped.
//
// When the collector finds the Greenlet unreachable, it calls onUnreachable.

// userRef returns the Greenlet of c, which was started. It makes a new one if the collector has
// found the old one unreachable. The goroutine of c's tree calls it, while another one may be moving c
// to its own tree, to end it there, and call it, too (endUnreachable).
func (c *core) userRef() *Greenlet {
	defer c.lockTree().mu.Unlock()
	g := c.lockedRef()
	if g == nil {
		g = &Greenlet{c: c}
		c.strongRef = g
		c.watch()
	}
	return g
}

// lockedRef returns the Greenlet of c; nil if the collector has found it unreachable. Its caller has
// locked tree.mu.
func (c *core) lockedRef() *Greenlet {
	if c.strongRef != nil {
		return c.strongRef
	}
	return c.rareFields().weakRef.Value()
}

// livingRef returns the Greenlet of c; nil if c does not live, or is unreachable. Any goroutine
// may call it. Other than userRef it makes no Greenlet: one that the collector has found
// unreachable is going to be killed.
func (c *core) livingRef() *Greenlet {
	defer c.lockTree().mu.Unlock()
	if c.life.Load() != lifeStarted {
		return nil
	}
	return c.lockedRef()
}

// watch has the collector call onUnreachable when the program has no reference to c's Greenlet
// any more. That takes longer than most greenlets live, so it is done only to those that live
// when a collection has been. Until then strongRef keeps the Greenlet reachable, so the second
// collection is the first that can find it unreachable. The caller of watch has locked tree.mu.
func (c *core) watch() {
	g, extra := c.strongRef, c.makeRare()
	extra.watched = true
	extra.weakRef = weak.Make(g)
	c.strongRef = nil
	// The cleanup refers to c by a weak pointer: c leads to its tree, and the tree leads to the
	// Greenlet while it is the current one, so it would keep the Greenlet reachable. While c is
	// suspended, its tree keeps c reachable.
	extra.cleanup = runtime.AddCleanup(g, onUnreachable, weak.Make(c))
}

// watchSome calls watch for the next thousand greenlets of the tree, and not for all, so that
// a call does not take long. It says whether there may be more. Any goroutine may call it.
func (t *tree) watchSome() bool {
	for range 1000 {
		if !t.watchNext() {
			return false
		}
	}
	return true
}

// watchNext calls watch for the next greenlet, that after visited, and says whether there was one. Any
// goroutine may call it.
func (t *tree) watchNext() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	c := t.root.c
	if t.visited != nil {
		c = t.visited
	}
	if c = c.next; c == t.root.c {
		return false
	}
	if !c.rareFields().watched { // it may have been watched in the tree that it was moved from
		c.watch()
	}
	t.visited = c
	return true
}

// unwatch takes watch back when c dies. Its caller has locked tree.mu.
func (c *core) unwatch() {
	c.strongRef = nil
	if extra := c.rareFields(); extra.watched {
		extra.cleanup.Stop()
		extra.watched = false
	}
}

// epoch changes when a tree has something to look for: a collection has been, a greenlet was
// found unreachable (queueUnreachable), a function was posted, or it was asked for observation
// (SetDetail, the timeline). Any goroutine adds to it. A tree whose own epoch is another one
// catches up at its next operation.
var epoch atomic.Uint32

// A sentinel is unreachable from the beginning, so each collection finds it and runs its
// finalizer, which makes another one.
type sentinel struct{ _ *sentinel }

func watchCollections() { runtime.SetFinalizer(&sentinel{}, afterCollection) }

// afterCollection is the sentinel's finalizer. It runs on the runtime's finalizer goroutine.
func afterCollection(*sentinel) {
	epoch.Add(1)
	endThreads()
	checkEnds()
	watchCollections()
	for _, t := range allTrees() {
		if t.free.Load() {
			t.watchSome() // the tree's own goroutine may make no operation for long
			t.endIfOrphan()
		}
	}
}

// onUnreachable is the cleanup of a Greenlet that was watched. The runtime calls it, on a
// goroutine of its own, when the collector has found the Greenlet unreachable.
func onUnreachable(p weak.Pointer[core]) {
	c := p.Value()
	if c == nil || c.life.Load() != lifeStarted {
		return
	}
	if t := c.tree.Load(); t.end.Load() == endNot {
		if t.free.Load() {
			go endUnreachable(c)
			return
		}
		t.queueUnreachable(c)
	}
}

// queueUnreachable leaves c to the tree's own goroutine, which kills it at its next operation.
func (t *tree) queueUnreachable(c *core) {
	t.pushUnreachable(&unreachable{c: c})
	epoch.Add(1)
}

// pushUnreachable puts n on the tree's stack of unreachable greenlets. The compare-and-swap
// fails if another goroutine has put one there meanwhile (onUnreachable), or if the tree's own
// goroutine has taken the stack (killUnreachable); then it is tried again.
func (t *tree) pushUnreachable(n *unreachable) {
	for {
		n.next = t.unreachable.Load()
		if t.unreachable.CompareAndSwap(n.next, n) {
			return
		}
	}
}

// An unreachable is an entry of tree.unreachable, the stack of greenlets of which the collector
// has found that the program has no reference to them.
type unreachable struct {
	c    *core
	next *unreachable
}

// catchUp does what has come up since the tree's last operation. Each operation calls it before
// it does anything else; it does nothing unless epoch has changed. If came is true, the
// operation, which has not begun, is to return m.
func (t *tree) catchUp() (m message, came bool) {
	if t.epoch == epoch.Load() {
		return m, false
	}
	return t.catchUpSlow()
}

// catchUpSlow is catchUp when epoch has changed. What it calls may pass control to others. While
// the running greenlet waits for that, no other goroutine can take it over (waits), because the
// operation goes on in t. But if the goroutine of t ends meanwhile, endOrphan moves the greenlet
// to a tree of its own and kills it. When the greenlet goes on there, t is not touched any more,
// and the operation returns ErrExit, even if a function that was posted has ignored the ErrExit
// that the Kill has thrown.
func (t *tree) catchUpSlow() (m message, came bool) {
	t.makeKnown() // what is called here may refer to all of it
	c := t.current.c
	c.waits++
	t.catching++
	defer func() {
		if c.waits--; c.tree.Load() == t {
			t.catching--
		}
	}()
	now := epoch.Load()
	t.callPosts(c)
	switch {
	case c.tree.Load() != t:
		return message{kind: kindError, err: ErrExit}, true
	case t.sections != 0:
		return message{kind: kindError, err: fail("Post", nil, errSection, "a function that was posted has entered it")}, true
	case t.killingUnreachable:
		return m, false
	}
	t.epoch = now
	t.updateObservers()
	if t.watchSome() {
		t.epoch-- // so that it differs from epoch, and the next operation goes on with the rest
	}
	if t.unreachable.Load() == nil {
		return m, false
	}
	if m, came = t.killUnreachable(); !came && c.tree.Load() != t {
		return message{kind: kindError, err: ErrExit}, true
	}
	return m, came
}

// killUnreachable kills the greenlets that onUnreachable has left to this tree.
//
// The current greenlet is made their parent for that time only so that control comes back. If
// their deferred calls send it a message themselves, that is meant for it: then came is true.
func (t *tree) killUnreachable() (m message, came bool) {
	t.killingUnreachable = true
	rest := t.unreachable.Swap(nil)
	defer func() {
		t.killingUnreachable = false
		// Some are left if the hook has panicked, or a message came: they are for the next operation.
		for rest != nil {
			n := rest
			rest = n.next
			t.pushUnreachable(n)
			t.epoch--
		}
	}()
	for rest != nil && !came {
		c := rest.c
		rest = rest.next
		if c.life.Load() != lifeStarted || c.livingRef() != nil || c == t.current.c ||
			c.tree.Load() != t || !t.pin(c) {
			continue // it is dead, was moved, or the program has got a reference again
		}
		g := c.userRef()
		m = t.throwExit(g)
		err := m.err
		switch {
		case c.life.Load() != lifeDead:
			err, came = outlivedError("the end of a forgotten greenlet", g), true
		case m.origin == nil || m.origin.c != c: // m is another greenlet's (nil: by a short switch); the last message of c went to another heir
			err, came = nil, true
		case m.kind == kindGoexit: // the current greenlet has nothing to do with it, and is not to end
			err = errGoexit
		}
		if hook := unraisable.Load(); err != nil && hook != nil && *hook != nil {
			(*hook)(g, err)
		}
	}
	return m, came
}

// unraisable is the hook of SetUnraisableHook. Any goroutine may read and set it; a nil pointer
// or function is no hook.
var unraisable atomic.Pointer[func(g *Greenlet, err error)]

// SetUnraisableHook sets a function that is called when a suspended greenlet was killed
// because it was forgotten, or because its goroutine has ended, and has not just ended: err is
// the error it has ended with, a *PanicError if it was a panic, or one that says that it
// lives on. No greenlet waits for that end, so the error would be lost otherwise.
//
// The hook runs on a goroutine of this package's own, where a panic of the hook is lost. For a
// greenlet of a Run, or one that is suspended in C, it runs on the goroutine of the greenlet's
// tree, inside another call of this package, and a panic of the hook comes out of that call.
// SetUnraisableHook returns the hook that was set before. The default is nil: no function is
// called. Any goroutine may call SetUnraisableHook.
//
// If the deferred calls of a forgotten greenlet pass control to the greenlet that makes that
// other call, the call returns what they send, and does nothing else: what it was to pass on
// itself has not been sent.
func SetUnraisableHook(hook func(g *Greenlet, err error)) (previous func(g *Greenlet, err error)) {
	if p := unraisable.Swap(&hook); p != nil {
		return *p
	}
	return nil
}
