// Package model is the contract of greenlets in plain Go: slow, obvious, and
// written from the contract. Tests compare the library with it.
//
// Each greenlet is a goroutine, control is handed over through channels, and only
// one of a tree's goroutines ever runs. There are no threads, stacks, or things to
// free. The names are those of package greenlet.
package model

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
)

var (
	ErrExit         = errors.New("model: exit")
	ErrNoRun        = errors.New("model: no run function")
	ErrCyclicParent = errors.New("model: cyclic parent chain")
	ErrRootParent   = errors.New("model: a root has no parent")

	errNilParent = errors.New("model: nil parent")
	errKillRoot  = errors.New("model: a root cannot be killed")
	errLivesOn   = errors.New("model: it lives on")
)

// A PanicError is a panic on its way up.
type PanicError struct{ Value any }

func (e *PanicError) Error() string { return fmt.Sprint("model: panic: ", e.Value) }

func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}

// State is what a greenlet is doing.
type State int

const (
	Pending State = iota
	Running
	Suspended
	Dead
)

func (s State) String() string {
	return [...]string{"pending", "running", "suspended", "dead"}[s]
}

type Event int

const (
	EventSwitch Event = iota
	EventThrow
)

type (
	Func   func(arg any) (any, error)
	Tracer func(e Event, origin, target *Greenlet)
)

// A Greenlet is a body and where it stands.
type Greenlet struct {
	tree    *Tree
	run     Func
	started bool
	dead    bool
	parent  *Greenlet // nil for the root only
	wake    chan message
	tracing bool // the tracer runs on it
}

// A kill is a call of Kill under way.
type kill struct{ of, by *Greenlet }

// A message is what one greenlet passes to another with the control.
type message struct {
	kind   kind
	value  any
	err    error // the *PanicError of a panic
	origin *Greenlet
}

type kind int

const (
	value   kind = iota
	failure      // an error
	panicking
	goexit
	release // see Release
)

// A Tree is a root and the greenlets under it.
type Tree struct {
	root    *Greenlet
	current *Greenlet
	alive   []*Greenlet // started and not dead, in the order of their start
	kills   []*kill     // under way, the last one first in line
	tracer  Tracer
	exited  int         // greenlets that ended by Goexit
	givenUp []*Greenlet // by Run
}

func NewTree() *Tree {
	t := &Tree{}
	t.root = &Greenlet{tree: t, started: true, wake: make(chan message)}
	t.current = t.root
	return t
}

// Run is greenlet.Run: at the end, it kills what lives.
func (t *Tree) Run(f func(root *Greenlet) error) (err error) {
	returned := false
	defer func() { t.end(&err, !returned) }()
	err = f(t.root)
	returned = true
	return err
}

// end kills what lives, youngest first. unwinding says that a panic or Goexit is
// under way, which goes on afterwards; else one of the killed may start a Goexit.
func (t *Tree) end(err *error, unwinding bool) {
	over, exits := false, false
	defer func() {
		if !over {
			t.end(err, true) // a tracer panics, but the others are to die, too
		}
	}()
	for len(t.alive) > 0 {
		g := t.alive[len(t.alive)-1]
		e, exit := t.kill(g)
		*err = errors.Join(*err, e)
		exits = exits || exit
		t.giveUp(g)
	}
	t.root.dead = true
	over = true
	if exits && !unwinding {
		runtime.Goexit()
	}
}

// giveUp makes a greenlet dead that has survived its Kill, unless it has started
// others, which go first. Its goroutine waits, for Release.
func (t *Tree) giveUp(g *Greenlet) {
	if g.dead || t.alive[len(t.alive)-1] != g {
		return
	}
	t.bury(g)
	t.givenUp = append(t.givenUp, g)
	t.forget(func(k *kill) bool { return k.by == g }) // it waits in no Kill any more
}

// Lost counts the greenlets whose stack the library cannot use again: given up,
// or ended by Goexit.
func (t *Tree) Lost() int { return t.exited + len(t.givenUp) }

// Release ends the goroutines of those that were given up, after Run. It is no part
// of the contract: their deferred calls run now, and should do nothing.
func (t *Tree) Release() {
	for _, g := range t.givenUp {
		g.wake <- message{kind: release}
		<-g.wake
	}
	t.givenUp = nil
}

func (t *Tree) Current() *Greenlet { return t.current }

func (t *Tree) SetTrace(f Tracer) (previous Tracer) {
	previous, t.tracer = t.tracer, f
	return previous
}

func (t *Tree) GetTrace() Tracer { return t.tracer }

// New makes a greenlet. A nil parent stands for the current greenlet.
func (t *Tree) New(run Func, parent *Greenlet) *Greenlet {
	if parent == nil {
		parent = t.current
	}
	return &Greenlet{tree: t, run: run, parent: parent, wake: make(chan message)}
}

func (g *Greenlet) Dead() bool   { return g.dead }
func (g *Greenlet) Active() bool { return g.started && !g.dead }
func (g *Greenlet) IsRoot() bool { return g == g.tree.root }

func (g *Greenlet) State() State {
	switch {
	case g.dead:
		return Dead
	case !g.started:
		return Pending
	case g == g.tree.current:
		return Running
	}
	return Suspended
}

// Parent is who gets control when g ends: whoever kills it at the moment, else its
// parent.
func (g *Greenlet) Parent() *Greenlet {
	for _, k := range slices.Backward(g.tree.kills) {
		if k.of == g {
			return k.by
		}
	}
	return g.parent
}

func (g *Greenlet) SetParent(p *Greenlet) error {
	if g.IsRoot() {
		return ErrRootParent
	}
	if p == nil {
		return errNilParent
	}
	for q := p; q != nil; q = q.parent {
		if q == g {
			return ErrCyclicParent
		}
	}
	g.parent = p
	g.tree.forget(func(k *kill) bool { return k.of == g }) // the killer's place is taken
	return nil
}

func (g *Greenlet) Switch(v any) (any, error) {
	return g.send(message{kind: value, value: v})
}

func (g *Greenlet) Throw(err error) (any, error) {
	if err == nil {
		err = ErrExit
	}
	return g.send(message{kind: failure, err: err})
}

func (g *Greenlet) send(m message) (any, error) {
	target, m, err := g.receiver(m)
	if err != nil {
		return nil, err
	}
	switch m = g.tree.pass(target, m); m.kind {
	case value:
		return m.value, nil
	case panicking:
		panic(m.err)
	case goexit:
		runtime.Goexit()
	}
	return nil, m.err
}

func (g *Greenlet) Kill() error {
	err, exit := g.tree.kill(g)
	if exit {
		runtime.Goexit()
	}
	return err
}

// kill is Kill, but for a Goexit that comes back.
func (t *Tree) kill(g *Greenlet) (err error, exit bool) {
	switch {
	case g.IsRoot():
		return errKillRoot, false
	case g.dead:
		return nil, false
	case !g.started:
		g.dead = true
		return nil, false
	case g == t.current:
		return ErrExit, false
	}
	k := &kill{of: g, by: t.current}
	t.kills = append(t.kills, k)
	defer t.forget(func(x *kill) bool { return x == k })
	m := t.pass(g, message{kind: failure, err: ErrExit})
	if !g.dead && (m.kind != failure || deathBy(m.err).kind == failure) { // else the killer is to end
		return errors.Join(errLivesOn, m.err), m.kind == goexit
	}
	return m.err, m.kind == goexit
}

// receiver is who gets a message for g: g itself or the first ancestor that is not
// dead. An error says that it cannot take the message.
func (g *Greenlet) receiver(m message) (*Greenlet, message, error) {
	for g.dead {
		if m.kind == failure {
			m = deathBy(m.err) // nobody fails who is dead: ErrExit is a value
		}
		g = g.Parent()
	}
	if !g.started && g.run == nil && (m.kind == value || m.kind == failure) {
		return g, m, ErrNoRun
	}
	return g, m, nil
}

// pass hands control to the target and returns with the message that hands it back.
func (t *Tree) pass(target *Greenlet, m message) message {
	me := t.current
	m.origin = me
	if target != me {
		t.hand(target, m)
		if m = <-me.wake; m.kind == release {
			runtime.Goexit()
		}
	}
	t.trace(m)
	return m
}

// hand lets the target run. The caller is to wait, or to end.
func (t *Tree) hand(target *Greenlet, m message) {
	t.current = target
	if target.started {
		target.wake <- m
		return
	}
	target.started = true
	t.alive = append(t.alive, target)
	go target.live(m)
}

// trace tells the tracer what has just arrived at the current greenlet. A tracer
// that does not return is removed.
func (t *Tree) trace(m message) {
	if t.tracer == nil || m.origin.tracing || t.current.tracing {
		return
	}
	e := EventThrow
	if m.kind == value {
		e = EventSwitch
	}
	returned := false
	g := t.current
	g.tracing = true
	defer func() {
		g.tracing = false
		if !returned {
			t.tracer = nil
		}
	}()
	t.tracer(e, m.origin, t.current)
	returned = true
}

// live is a greenlet's life, from its first message to its end.
func (g *Greenlet) live(m message) {
	last := message{kind: goexit} // unless we learn better
	defer func() { g.die(last) }()
	defer func() {
		switch r := recover().(type) {
		case nil:
		case *PanicError:
			last = message{kind: panicking, err: r}
		default:
			last = message{kind: panicking, err: &PanicError{Value: r}}
		}
	}()
	g.tree.trace(m)
	switch m.kind {
	case value:
		v, err := g.run(m.value)
		if err != nil {
			last = deathBy(err)
		} else {
			last = message{kind: value, value: v}
		}
	case failure:
		last = deathBy(m.err)
	default:
		last = m
	}
}

// leaves are the errors that err consists of.
func leaves(err error) []error {
	switch e := err.(type) {
	case interface{ Unwrap() []error }:
		var all []error
		for _, inner := range e.Unwrap() {
			all = append(all, leaves(inner)...)
		}
		return all
	case interface{ Unwrap() error }:
		if inner := e.Unwrap(); inner != nil {
			return leaves(inner)
		}
	}
	return []error{err}
}

// deathBy is the message of a death by err: to die of ErrExit, and of nothing else, is
// no failure.
func deathBy(err error) message {
	if !slices.ContainsFunc(leaves(err), func(e error) bool { return e != ErrExit }) {
		return message{kind: value, value: err}
	}
	return message{kind: failure, err: err}
}

// die passes g's last message to the first ancestor that takes it.
func (g *Greenlet) die(m message) {
	t := g.tree
	if g.dead { // since it was given up
		g.wake <- message{}
		return
	}
	t.bury(g)
	if m.kind == goexit {
		t.exited++
	}
	next := g.Parent()
	for {
		target, arrives, err := next.receiver(m)
		if err == nil {
			arrives.origin = g
			t.hand(target, arrives)
			return
		}
		m.kind, m.value, m.err = failure, nil, errors.Join(err, m.err)
		next = target.Parent()
	}
}

func (t *Tree) forget(which func(*kill) bool) { t.kills = slices.DeleteFunc(t.kills, which) }

func (t *Tree) bury(g *Greenlet) {
	g.dead = true
	t.alive = slices.DeleteFunc(t.alive, func(x *Greenlet) bool { return x == g })
}
