package greenlet

import (
	"runtime"
	"sync/atomic"
	"unsafe"
	"weak"
)

// This file finds suspended greenlets that the program has no reference to any more, and ends them.

// userRef returns the user's reference to c, which is made again if the
// collector has taken it.
func (c *core) userRef() *Greenlet {
	if g := c.existingRef(); g != nil {
		return g
	}
	g := &Greenlet{c: c}
	mu := &c.tree.Load().mu
	mu.Lock()
	c.strongRef = g
	c.watch()
	mu.Unlock()
	return g
}

// existingRef is the user's reference to c, if there is one. Any goroutine may ask.
func (c *core) existingRef() *Greenlet {
	if g := atomic.LoadPointer((*unsafe.Pointer)(unsafe.Pointer(&c.strongRef))); g != nil {
		return (*Greenlet)(g)
	}
	return c.rareFields().weakRef.Value()
}

// isReferenced says whether somebody may have it.
func (c *core) isReferenced() bool { return c.existingRef() != nil }

// livingRef returns the user's reference to c, if c lives and somebody may have one. Any
// goroutine may ask. It makes none, as greenlet does: the collector has found then that
// the greenlet is forgotten, and it is going to be killed.
func (c *core) livingRef() *Greenlet {
	defer c.lockTree().mu.Unlock()
	switch {
	case c.life.Load() != lifeStarted:
		return nil
	case c.strongRef != nil:
		return c.strongRef
	}
	return c.rareFields().weakRef.Value()
}

// watch lets the collector tell us when nobody holds c's Greenlet any more. That takes
// longer than the whole life of most greenlets, so it is done to those that still live
// when a collection has been. Until then the core holds the Greenlet, and a later
// collection is the first to find that it is forgotten. Its caller has locked tree.mu.
func (c *core) watch() {
	g, x := c.strongRef, c.makeRare()
	x.watched = true
	x.weakRef = weak.Make(g)
	// In a free tree it is not the tree's goroutine that does this.
	atomic.StorePointer((*unsafe.Pointer)(unsafe.Pointer(&c.strongRef)), nil)
	// A weak pointer, since a core leads to its tree, and that to the Greenlet while it
	// is the one that runs. As long as it is suspended, the core is its tree's.
	x.cleanup = runtime.AddCleanup(g, onUnreachable, weak.Make(c))
}

// watchSome does that to the next of the tree's, and not to all: it takes some time. It says
// whether there may be more.
func (t *tree) watchSome() bool {
	for range 1000 {
		if !t.watchNext() {
			return false
		}
	}
	return true
}

// watchNext does it to one, and says whether there was one.
func (t *tree) watchNext() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	c := t.unwatched
	if c == nil {
		return false
	}
	if !c.rareFields().watched { // where it was before
		c.watch()
	}
	t.unwatched = nil
	if c.next != t.root.c {
		t.unwatched = c.next
	}
	return true
}

// unwatch takes that back when the greenlet is dead: nobody has to be told any more.
func (c *core) unwatch() {
	c.strongRef = nil
	if x := c.rareFields(); x.watched {
		x.cleanup.Stop()
		x.watched = false
	}
}

// epoch counts, roughly, collections and the greenlets that they have found forgotten: a
// tree that has seen another number looks what there is to be done, at its next call.
var epoch atomic.Uint32

// A sentinel is unreachable, so each collection finds it, and its finalizer says so and
// makes another one.
type sentinel struct{ _ *sentinel }

func watchCollections() { runtime.SetFinalizer(&sentinel{}, afterCollection) }

func afterCollection(*sentinel) {
	epoch.Add(1)
	checkEnds()
	watchCollections()
	roots.each(func(t *tree) {
		t.watchSome() // its goroutine may not call for long
		t.endIfOrphan()
	})
}

// onUnreachable is called by the runtime, on a goroutine of its own, when the last
// reference to a Greenlet has gone.
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

// queueUnreachable leaves c to its tree's next call.
func (t *tree) queueUnreachable(c *core) {
	t.pushUnreachable(&unreachable{c: c})
	epoch.Add(1)
}

func (t *tree) pushUnreachable(n *unreachable) {
	for {
		n.next = t.unreachable.Load()
		if t.unreachable.CompareAndSwap(n.next, n) {
			return
		}
	}
}

// A unreachable is an entry of a tree's stack of forgotten greenlets.
type unreachable struct {
	c    *core
	next *unreachable
}

// killUnreachable kills the forgotten greenlets. Their thread does it, at its next call.
//
// The caller is in the midst of something else, and is the parent of those that are
// killed only so that control comes back. What their deferred calls send to it is
// meant for it: then reap says that it came, and the operation, which has not begun,
// returns that.
func (t *tree) killUnreachable() (m message, came bool) {
	now := epoch.Load()
	if t.epoch == now || t.killingUnreachable {
		return m, false
	}
	t.epoch = now
	t.updateObservers()
	if t.watchSome() {
		t.epoch-- // the next call goes on
	}
	if t.unreachable.Load() == nil {
		return m, false
	}
	t.killingUnreachable = true
	rest := t.unreachable.Swap(nil)
	defer func() {
		t.killingUnreachable = false
		for rest != nil { // the hook has panicked, or something came: the next call goes on with these
			n := rest
			rest = n.next
			t.pushUnreachable(n)
			t.epoch--
		}
	}()
	for rest != nil && !came {
		c := rest.c
		rest = rest.next
		if c.life.Load() != lifeStarted || c.isReferenced() || c == t.current.c ||
			c.tree.Load() != t || !t.pin(c) {
			continue // dead by now, or somebody got hold of it again
		}
		g := c.userRef()
		m = t.throwExit(g)
		err := m.err
		switch {
		case c.life.Load() != lifeDead:
			err, came = outlivedError("the end of a forgotten greenlet", g), true
		case m.origin.c != c: // its own end went elsewhere
			err, came = nil, true
		case m.kind == kindGoexit: // not to be passed on to whoever happens to be here
			err = errGoexit
		}
		if h := unraisable.Load(); err != nil && h != nil && *h != nil {
			(*h)(g, err)
		}
	}
	return m, came
}

var unraisable atomic.Pointer[func(g *Greenlet, err error)]

// SetUnraisableHook sets the function that is told when a greenlet that was
// forgotten while suspended, and killed for that, did not go quietly: it died
// with an error or a panic, or lives on. There is nobody else to tell. It is told as well of
// one whose goroutine has ended. The hook runs on a goroutine of this package's own, where a
// panic of the hook is lost; or, for a greenlet of a Run, or one that is suspended in C, on
// its own goroutine, inside some other call of this package, and a panic
// of the hook comes out of that. SetUnraisableHook returns the hook that was set
// before; nil, the default, tells nobody.
//
// If the deferred calls of a forgotten greenlet pass control to the one that makes
// that other call, the call returns what they send, and does nothing else: what it was
// to pass on itself has not been sent.
func SetUnraisableHook(hook func(g *Greenlet, err error)) (previous func(g *Greenlet, err error)) {
	if p := unraisable.Swap(&hook); p != nil {
		return *p
	}
	return nil
}
