package greenlet

import (
	"errors"
	"runtime"
	"sync/atomic"
	"unsafe"

	"github.com/go-greenlet/greenlet/internal/gort"
)

// A message is what travels with a switch.
type message struct {
	kind   kind
	value  any
	err    error // an error, or the *PanicError of a panic
	origin *Greenlet
}

type kind uint8

const (
	kindValue  kind = iota // a Switch, or a body's result
	kindError              // a Throw, or a body's error
	kindPanic              // a body panicked
	kindGoexit             // a body called runtime.Goexit
	kindProbe              // has a suspended greenlet call something; see visit
)

// Switch passes control to g with the value v, and returns when somebody passes
// control back: with a value, which is returned, or with an error.
//
// If g is pending, it starts: its body is called with v. If g is suspended, its
// pending Switch returns v. If g is dead, its parent is meant instead, and so on
// up to the root, which always lives. A Switch to the current greenlet returns v
// at once.
//
// If the one that passes control back has died of a panic, Switch panics with a
// *PanicError; if by runtime.Goexit, Switch calls it here, too.
//
// An error says that the caller is to end, or to handle it: Kill and the end of Run do
// not unwind anybody by themselves. A caller that ignores the error outlives its Kill.
// Where there is nothing to be handled, MustSwitch does the rest.
//
// A Switch that is refused (ErrWrongThread, ErrThreadExited, ErrNoRun, no memory
// for a stack, a start while the program's packages are being initialised) has
// changed nothing.
func (g *Greenlet) Switch(v any) (any, error) {
	// The common case first, and nothing else in it. Other goroutines, to which g does not
	// belong, get no further than quiet.
	//
	// What is used after the Cross is kept by this goroutine's stack until then: nothing
	// that leads to a Greenlet must be. And the frame is to be small: it is one of the
	// things that a switch among many has to fetch.
	// (What they read of it may be changing meanwhile, and they go the long way whatever they
	// find; but the race detector takes note.)
	if !raceEnabled && g.valid() {
		to, t := g.c.coro, (*tree)(nil)
		if to == nil {
			to, t = g.begin()
		} else if t = (*tree)(to.Fast()); t != nil && !(t.one.Running() && t.calm()) {
			t = nil
		}
		if t != nil {
			from := t.current.c
			t.inbox.value = v
			t.current = g
			g.c.switches++
			way, by := t.one.SwitchFast(to)
			if by != t.one && way != gort.Refused {
				t = from.tree.Load() // it may have been moved
			}
			switch way {
			case gort.Returned:
				if t.plain() {
					v = t.inbox.value
					t.inbox.value = nil // not retained
					return v, nil
				}
				return t.unusual()
			case gort.Jumped:
				if t.plain() {
					v = t.inbox.value
					t.inbox.value = nil
					return leaveSwitch(v, nil)
				}
				return t.unusual()
			}
			return t.again(from)
		}
	}
	return g.switchTo(v)
}

// swift is g's coro, if there is one, for any goroutine that calls. It is read once: another
// one may be ending g just now.
func (g *Greenlet) swift() coro {
	if raceEnabled || !g.valid() {
		return nil
	}
	return g.c.coro
}

// switchTo is Switch in full.
//
//go:noinline
func (g *Greenlet) switchTo(v any) (any, error) {
	return g.send("Switch", message{kind: kindValue, value: v})
}

// again is Switch in full after a Cross that was refused: from runs still.
//
//go:noinline
func (t *tree) again(from *core) (any, error) {
	g, v := t.current, t.inbox.value
	g.c.switches--
	t.current, t.inbox.value = from.greenlet(), nil
	if g.c.run != nil { // begin has started it for this, and nothing is to come in between
		m, t := t.exchange(g, message{kind: kindValue, value: v})
		t.done()
		return m.open()
	}
	return g.switchTo(v)
}

// begin starts g, which has no coroutine, if it is an ordinary pending one of the calling
// goroutine's tree, and a Cross is likely to do. It returns its coroutine and the tree; nil:
// it has done nothing, and transfer does or says the rest.
//
//go:noinline
func (g *Greenlet) begin() (coro, *tree) {
	c, t := g.c, currentTree()
	if t == nil || t.one == nil || t.busy != 0 || !t.quiet() ||
		c.run == nil || c.hand != nil || c.rare.Load() != nil {
		return nil, nil
	}
	if o := g.owner(); o != nil && o != t || engine.ready(t.th, t.current.c.coro) != nil {
		return nil, nil
	}
	if t.start(g, kindValue) != nil {
		return nil, nil
	}
	return c.coro, t
}

// unusual is the rest of a Switch to which something else has come than a plain value.
//
//go:noinline
func (t *tree) unusual() (any, error) {
	if t.plainAndNoted() {
		v := t.inbox.value
		t.inbox.value = nil
		return v, nil
	}
	m, t := t.take()
	t.done()
	return m.open()
}

var leaveSwitch = gort.Return[func(any, error) (any, error)]()

// plain says, after a Cross, whether nothing but a value has come.
func (t *tree) plain() bool { return t.busy == 0 && t.inbox.kind == kindValue }

// MustSwitch is Switch for code that has nothing to do about an error, such as the end
// by Kill: an error unwinds the calling greenlet. Its deferred calls run, and it ends with
// the error as if its body had returned it. At a root, MustSwitch panics with the error.
//
// A function that C calls uses Switch instead, and returns the error to C in C's terms:
// unwinding would skip the frames of C, and with them what they have to release. It must
// go on returning the error, without a switch, at every further call that C makes before
// it has returned.
func (g *Greenlet) MustSwitch(v any) any {
	v, err := g.Switch(v)
	if err == nil {
		return v
	}
	if t := currentTree(); t == nil || t.current == t.root {
		panic(err)
	}
	panic(thrown{Err: err})
}

// Throw passes control to g with an error: g's pending Switch returns (nil, err).
// If g handles it and goes on, Throw returns whatever is next passed to the
// caller. Throw(nil) throws ErrExit.
//
// If g is pending, its body never runs: it is dead, and err goes to its parent.
// If g is dead, err goes to its first ancestor that lives. In both cases an error
// that is ErrExit arrives as a value. A Throw at the current greenlet returns err
// at once.
//
// An error that g does not handle goes to g's parent, which need not be the
// caller.
func (g *Greenlet) Throw(err error) (any, error) {
	if err == nil {
		err = ErrExit
	}
	return g.send("Throw", message{kind: kindError, err: err})
}

// send is Switch and Throw in full.
func (g *Greenlet) send(op string, m message) (any, error) {
	m, err := g.transfer(op, m, nil)
	if err != nil {
		return nil, err
	}
	return m.open()
}

// transfer passes m to g and returns what comes back. accepted, if there is one, is
// called when nothing can refuse m any more.
func (g *Greenlet) transfer(op string, m message, accepted func()) (message, error) {
	t, err := g.use(op)
	if err != nil {
		return message{}, err
	}
	if came, ok := t.reap(); ok {
		if accepted != nil {
			accepted() // m is lost, but it is the caller's no more
		}
		t.done()
		return came, nil
	}
	target, m, err := t.resolve(g, m)
	if err != nil {
		err = unsent{fail(op, g, err, "")}
		t.done()
		return message{}, err
	}
	if accepted != nil {
		accepted()
	}
	m, t = t.exchange(target, m)
	t.done()
	return m, nil
}

// use checks that operation op on g is allowed here, and returns the tree,
// which is made if there is none. Nothing is touched if it is not.
func (g *Greenlet) use(op string) (*tree, error) {
	if !g.valid() {
		return nil, fail(op, g, errNil, "")
	}
	t := currentTree()
	if owner := g.owner(); owner != nil && owner != t {
		return nil, g.misused(op, owner)
	}
	if t == nil {
		return newTree(true, true)
	}
	if t.sections != 0 {
		return nil, fail(op, g, errSection, "leave it first")
	}
	if err := engine.ready(t.th, t.current.c.coro); err != nil {
		return nil, fail(op, g, err, "")
	}
	return t, nil
}

// misused is the error for a greenlet of another tree.
func (g *Greenlet) misused(op string, owner *tree) error {
	switch owner.ending() {
	case endThread:
		return fail(op, g, ErrThreadExited, "the thread has exited, and what was suspended there can never run again")
	case endScope:
		return fail(op, g, ErrThreadExited, "its Run has returned")
	}
	if owner.buries || owner.gone() {
		return fail(op, g, ErrThreadExited, "the goroutine has ended, and what was suspended there is being ended")
	}
	return fail(op, g, ErrWrongThread, "a started greenlet runs only on its own goroutine; it can be moved with SetParent")
}

// owner is the tree that g belongs to: its own once it was started, else that of
// its parents. nil: nobody's yet, or nobody's any more.
func (g *Greenlet) owner() *tree {
	for g != nil {
		if t := g.c.tree.Load(); t != nil {
			if t.end.Load() == endReleased {
				return nil
			}
			return t
		}
		g = g.c.parent.Load()
	}
	return nil
}

// exchange passes m to target, which is started or the current greenlet, and
// returns what comes back, and the tree that the caller is in by then.
func (t *tree) exchange(target *Greenlet, m message) (message, *tree) {
	m.origin = t.current
	t.inbox = m
	if target != t.current {
		t = t.pass(target)
	}
	return t.take()
}

// pass switches to target, which finds t.inbox, and returns when somebody
// switches back. Whoever is suspended may be moved to another tree, so it returns that.
func (t *tree) pass(target *Greenlet) *tree {
	from := t.current.c
	t.turn(target)
	engine.switchTo(t.th, from.coro, target.c.coro)
	return from.tree.Load()
}

// turn is what comes right before a switch to target.
func (t *tree) turn(target *Greenlet) {
	t.inbox.origin = t.current
	t.enter(target)
	target.c.count() // after that: see watchfulPeek
}

// enter makes target the current greenlet.
func (t *tree) enter(target *Greenlet) {
	t.setCurrent(target)
}

// take is the first thing that a greenlet does when it goes on: it takes the
// message, and tells the tracer. It returns its tree, too: to answer a probe is to be
// suspended again.
func (t *tree) take() (message, *tree) {
	for {
		m := t.inbox
		t.inbox = message{} // not retained
		if m.kind == kindProbe {
			t = t.answer(m)
			continue
		}
		if t.busy&busyObserved != 0 {
			t.observed(m.kind)
		}
		if t.busy&busyChores != 0 {
			t.chore()
		}
		if t.tracer != nil && !m.origin.c.extra().tracing && !t.current.c.extra().tracing {
			t.trace(m.kind, m.origin, t.current)
		}
		return m, t
	}
}

// toDo says whether a death leaves something for chore, or done, to do.
func (t *tree) toDo() bool {
	p := &t.th.pool
	return t.implicit || len(p.idle) >= minIdle || len(p.lost) != 0 || oneM && !t.free.Load() && t.one.Spare() > minIdle
}

// chore does what is to be done after some deaths, or while there is a tracer.
func (t *tree) chore() {
	if t.tracer == nil {
		t.busy &^= busyChores
	}
	p := &t.th.pool
	p.sweep()
	keep := max(minIdle, t.many())
	p.trim(keep, t.current.c.coro)
	if oneM && !t.free.Load() {
		t.one.Trim(keep)
	}
}

// open turns a message into what a Switch does with it.
func (m message) open() (any, error) {
	switch m.kind {
	case kindValue:
		return m.value, nil
	case kindPanic:
		panic(m.err)
	case kindGoexit:
		runtime.Goexit()
	}
	return nil, m.err
}

// resolve finds who is to get a message that the user addressed to g, and makes
// it what arrives there. Pending greenlets on the way start or die as the rules
// say. An error means that nothing was touched.
func (t *tree) resolve(g *Greenlet, m message) (*Greenlet, message, error) {
	for {
		c := g.c
		life := c.life.Load() // before it is asked whose g is: whoever starts it does it the other way round
		if err := t.foreign(g); err != nil {
			return nil, m, err
		}
		switch life {
		case lifeStarted:
			if !t.hold(c) {
				return nil, m, ErrWrongThread
			}
			return g, m, nil
		case lifeDead:
			if m.kind == kindError {
				m = failureMessage(m.err) // ErrExit arrives as a value
			}
			if c.isRoot() {
				return t.root, m, nil // a released one stands for the present one
			}
			g = t.above(c)
		case lifePending:
			switch err := t.start(g, m.kind); err {
			case nil:
				return g, m, nil
			case errDies:
				target, m := t.deliver(g, failureMessage(m.err))
				return target, m, nil
			case errTaken:
			default:
				return nil, m, err
			}
		default:
			runtime.Gosched() // being moved by another thread, for an instant
		}
	}
}

// foreign says why g is none of this tree's business, if so.
func (t *tree) foreign(g *Greenlet) error {
	switch o := g.owner(); {
	case o == nil || o == t:
		return nil
	case o.ending() == endNot && !o.buries && !o.gone():
		return ErrWrongThread
	}
	return ErrThreadExited
}

// above is the heir of c, with the root for what has no parent.
func (t *tree) above(c *core) *Greenlet {
	if p := c.heir(); p != nil {
		return p
	}
	return t.root
}

// deliver finds who gets the last message of g, which is dead. Unlike resolve it
// cannot fail: an error on the way goes to the next ancestor in place of the
// message, and the root always lives.
func (t *tree) deliver(g *Greenlet, m message) (*Greenlet, message) {
	next := t.above(g.c)
	if t.heir != nil {
		next, t.heir = t.heir, nil
	}
	for {
		g, c := next, next.c
		life := c.life.Load() // see resolve
		err := t.foreign(g)
		if c.isRoot() {
			if err != nil {
				m.fail(fail("a greenlet's end", g, err, "its parent was moved there"))
			}
			return t.root, m
		}
		next = t.above(c)
		if err != nil {
			m.fail(fail("a greenlet's end", g, err, "its parent was moved there"))
			continue
		}
		switch life {
		case lifeStarted:
			if t.hold(c) {
				return g, m
			}
			m.fail(fail("a greenlet's end", g, ErrWrongThread, "its parent was moved there"))
		case lifeDead:
		case lifePending:
			switch err := t.start(g, m.kind); err {
			case nil:
				return g, m
			case errDies: // and passes it on
			case errTaken:
				next = g
			default:
				m.fail(fail("a greenlet's end", g, err, "it should have started with its child's result"))
			}
		default:
			runtime.Gosched()
			next = g
		}
	}
}

// fail replaces the message by an error. What it was, if an error, stays wrapped;
// a panic or Goexit is not to be lost and stays what it is.
func (m *message) fail(err error) {
	switch m.kind {
	case kindValue:
		m.kind, m.value, m.err = kindError, nil, err
	case kindError:
		m.err = errors.Join(err, m.err)
	}
}

var (
	errDies  = errors.New("pending and dies")    // by an error, without running
	errTaken = errors.New("somebody else's now") // started or moved by another thread
)

// start makes a pending greenlet ready to be switched to. Nothing is touched when
// it returns an error, but that on errDies the greenlet is dead.
func (t *tree) start(g *Greenlet, k kind) error {
	c := g.c
	if !c.life.CompareAndSwap(lifePending, lifeMoving) {
		return errTaken
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
		return errDies
	case c.badWords():
		err = errWord
	case c.extra().unlocked:
		err = errNotRun
	default:
		x := c.extra()
		if (x.stack != 0 && cStacks != nil || x.words != nil) && t.free.Load() {
			if err = t.bind(); err == nil && x.words != nil && t.free.Load() {
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
	c.worker, c.coro, c.held = w, w.coro, g
	if c.hand != nil {
		c.coro.SetOwner(nil) // a Switch takes the long way; the worker may have had another greenlet
	} else {
		c.coro.SetOwner(unsafe.Pointer(t))
	}
	if p := c.parent.Load(); p == nil {
		c.parent.Store(t.root) // nobody else does, while it is being started
	} else if !p.c.kids.Load() {
		p.c.kids.Store(true)
	}
	t.link(c)
	c.life.Store(lifeStarted)
	t.mu.Unlock()
	if t.busy&busyObserved != 0 {
		t.born(c)
	}
	return nil
}

// link makes c the youngest in the list. Its caller has locked mu.
func (t *tree) link(c *core) {
	c.tree.Store(t)
	c.prev, c.next = t.root.c.prev, t.root.c
	c.prev.next, c.next.prev = c, c
	t.nlive++
	if t.unwatched == nil && !c.extra().watched {
		t.unwatched = c
	}
}

// die ends the current greenlet.
func (t *tree) die(c *core) {
	if t.busy&busyObserved != 0 {
		t.ended(c)
	}
	if c.extra().c != nil {
		c.leaveC()
	}
	t.mu.Lock()
	t.unlink(c)
	c.unwatch()
	c.worker, c.coro = nil, nil
	c.life.Store(lifeDead)
	t.mu.Unlock()
	if t.toDo() {
		t.busy |= busyChores
	}
}

// unlink takes c out of it. Its caller has locked mu.
func (t *tree) unlink(c *core) {
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

// greenlet returns the user's reference to c, which is made again if the
// collector has taken it.
func (c *core) greenlet() *Greenlet {
	if g := c.reference(); g != nil {
		return g
	}
	g := &Greenlet{c: c}
	mu := &c.tree.Load().mu
	mu.Lock()
	c.held = g
	c.watch()
	mu.Unlock()
	return g
}

// reference is the user's reference to c, if there is one. Any goroutine may ask.
func (c *core) reference() *Greenlet {
	if g := atomic.LoadPointer((*unsafe.Pointer)(unsafe.Pointer(&c.held))); g != nil {
		return (*Greenlet)(g)
	}
	return c.extra().self.Value()
}

// known says whether somebody may have it.
func (c *core) known() bool { return c.reference() != nil }
