package greenlet

import (
	"errors"
	"runtime"
	"sync/atomic"
	"unsafe"
	"weak"

	"github.com/go-greenlet/greenlet/internal/place"
)

// Kill ends g and comes back: it throws ErrExit into g, with the current greenlet
// as g's parent for that time. g's Switch returns ErrExit, and g's body is to return
// it: one that ignores the error of its Switch goes on, and outlives the Kill. See
// MustSwitch.
//
// Kill returns nil when g is dead and went quietly, what it died with when it did
// not (an error, or a panic as *PanicError), and an error that says so when g
// answered by going on. If the caller is killed meanwhile, Kill returns that ErrExit.
// A pending greenlet is dead at once, without its body ever running. Kill of a dead
// one returns nil; of the current one ErrExit, for the body to return; of a root an
// error.
func (g *Greenlet) Kill() error {
	err, goexit := g.end("Kill")
	if goexit {
		runtime.Goexit()
	}
	return err
}

// end is Kill, or op, but that it tells of a Goexit.
func (g *Greenlet) end(op string) (err error, goexit bool) {
	if g.valid() {
		// The cases that need no tree.
		switch c := g.c; {
		case c.isRoot():
			return fail(op, g, errKillRoot, ""), false
		case c.life.Load() == lifeDead:
			return nil, false
		}
	}
	t, err := g.take(op, true)
	if err != nil {
		return err, false
	}
	if m, came := t.reap(); came {
		t.done()
		if m.kind == kindGoexit {
			return nil, true
		}
		if _, err = m.open(); err == nil {
			err = fail(op, g, errPassedBy, "")
		}
		return err, false
	}
	err, goexit = t.kill(op, g)
	t.done()
	return err, goexit
}

// kill is Kill of a greenlet of this tree, or what op does with it. goexit says that it died by
// runtime.Goexit.
func (t *tree) kill(op string, g *Greenlet) (err error, goexit bool) {
	c := g.c
	for c.life.Load() == lifeMoving {
		runtime.Gosched()
	}
	switch {
	case c.life.CompareAndSwap(lifePending, lifeDead):
		return nil, false
	case c.life.Load() == lifeDead:
		return nil, false
	case g.c == t.current.c:
		return ErrExit, false
	}
	if err := t.foreign(g); err != nil { // started by another thread just now
		return fail(op, g, err, ""), false
	}

	if !t.hold(c) {
		return fail(op, g, ErrWrongThread, ""), false
	}
	m := t.exit(g)
	err = m.err // nil for a value; a panic's *PanicError is an error
	// An end that is thrown at us comes alone, to be passed on: it is no failure.
	if c.life.Load() != lifeDead && !(m.kind == kindError && exits(err)) {
		err = errors.Join(livesOn(op, g), err)
	}
	return err, m.kind == kindGoexit
}

// livesOn is the error of op for g, which was to die and did not. It says where g is.
func livesOn(op string, g *Greenlet) error {
	where := ""
	if stack := g.Stack(); stack != nil {
		where = "it waits at " + place.Of(stack)
	}
	return fail(op, g, errLivesOn, where)
}

// exit throws ErrExit into g, which is started, with the current greenlet as its
// parent for that time, and returns what comes back.
func (t *tree) exit(g *Greenlet) message {
	w := &waiter{by: t.current, kill: true}
	g.c.push(w)
	defer g.c.remove(w) // a tracer may unwind us
	m, _ := t.exchange(g, message{kind: kindError, err: ErrExit})
	return m
}

// watch lets the collector tell us when nobody holds c's Greenlet any more. That takes
// longer than the whole life of most greenlets, so it is done to those that still live
// when a collection has been. Until then the core holds the Greenlet, and a later
// collection is the first to find that it is forgotten. Its caller has locked tree.mu.
func (c *core) watch() {
	g, x := c.held, c.more()
	x.watched = true
	x.self = weak.Make(g)
	// In a free tree it is not the tree's goroutine that does this.
	atomic.StorePointer((*unsafe.Pointer)(unsafe.Pointer(&c.held)), nil)
	// A weak pointer, since a core leads to its tree, and that to the Greenlet while it
	// is the one that runs. As long as it is suspended, the core is its tree's.
	x.forget = runtime.AddCleanup(g, forget, weak.Make(c))
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
	if !c.extra().watched { // where it was before
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
	c.held = nil
	if x := c.extra(); x.watched {
		x.forget.Stop()
		x.watched = false
	}
}

// epoch counts, roughly, collections and the greenlets that they have found forgotten: a
// tree that has seen another number looks what there is to be done, at its next call.
var epoch atomic.Uint32

// A sentinel is unreachable, so each collection finds it, and its finalizer says so and
// makes another one.
type sentinel struct{ _ *sentinel }

func watchCollections() { runtime.SetFinalizer(&sentinel{}, collected) }

func collected(*sentinel) {
	epoch.Add(1)
	endings()
	watchCollections()
	roots.each(func(t *tree) {
		t.watchSome() // its goroutine may not call for long
		t.endIfOrphan()
	})
}

// forget is called by the runtime, on a goroutine of its own, when the last
// reference to a Greenlet has gone.
func forget(p weak.Pointer[core]) {
	c := p.Value()
	if c == nil || c.life.Load() != lifeStarted {
		return
	}
	if t := c.tree.Load(); t.end.Load() == endNot {
		if t.free.Load() {
			go endForgotten(c)
			return
		}
		t.forgot(c)
	}
}

// forgot leaves c to its tree's next call.
func (t *tree) forgot(c *core) {
	t.addForgotten(&forgotten{c: c})
	epoch.Add(1)
}

func (t *tree) addForgotten(n *forgotten) {
	for {
		n.next = t.forgotten.Load()
		if t.forgotten.CompareAndSwap(n.next, n) {
			return
		}
	}
}

// A forgotten is an entry of a tree's stack of forgotten greenlets.
type forgotten struct {
	c    *core
	next *forgotten
}

// reap kills the forgotten greenlets. Their thread does it, at its next call.
//
// The caller is in the midst of something else, and is the parent of those that are
// killed only so that control comes back. What their deferred calls send to it is
// meant for it: then reap says that it came, and the operation, which has not begun,
// returns that.
func (t *tree) reap() (m message, came bool) {
	now := epoch.Load()
	if t.epoch == now || t.reaping {
		return m, false
	}
	t.epoch = now
	t.observe()
	if t.watchSome() {
		t.epoch-- // the next call goes on
	}
	if t.forgotten.Load() == nil {
		return m, false
	}
	t.reaping = true
	rest := t.forgotten.Swap(nil)
	defer func() {
		t.reaping = false
		for rest != nil { // the hook has panicked, or something came: the next call goes on with these
			n := rest
			rest = n.next
			t.addForgotten(n)
			t.epoch--
		}
	}()
	for rest != nil && !came {
		c := rest.c
		rest = rest.next
		if c.life.Load() != lifeStarted || c.known() || c == t.current.c ||
			c.tree.Load() != t || !t.hold(c) {
			continue // dead by now, or somebody got hold of it again
		}
		g := c.greenlet()
		m = t.exit(g)
		err := m.err
		switch {
		case c.life.Load() != lifeDead:
			err, came = livesOn("the end of a forgotten greenlet", g), true
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
