package model

import (
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
)

// A Side is one of the two that play programs: this model, or the library.
type Side[G Node[G]] struct {
	Run      func(f func(root G) error) error
	New      func(run func(any) (any, error), parent G) G
	Current  func() G
	SetTrace func(f func(throw bool, origin, target G)) (hadOne bool) // nil: off
	State    func(G) string
	Panicked func(any) (value any, ok bool) // opens a *PanicError

	ErrExit, ErrNoRun, ErrCyclicParent, ErrRootParent error
}

// A Node is a greenlet of either side.
type Node[G any] interface {
	comparable
	Switch(any) (any, error)
	Throw(error) (any, error)
	Kill() error
	Parent() G
	SetParent(G) error
	Dead() bool
	Active() bool
	IsRoot() bool
}

// Reference is the model's side.
func Reference() (Side[*Greenlet], *Tree) {
	t := NewTree()
	return Side[*Greenlet]{
		Run:     t.Run,
		New:     func(run func(any) (any, error), p *Greenlet) *Greenlet { return t.New(run, p) },
		Current: t.Current,
		SetTrace: func(f func(throw bool, origin, target *Greenlet)) bool {
			if f == nil {
				return t.SetTrace(nil) != nil
			}
			return t.SetTrace(func(e Event, o, g *Greenlet) { f(e == EventThrow, o, g) }) != nil
		},
		State: func(g *Greenlet) string { return g.State().String() },
		Panicked: func(r any) (any, bool) {
			if p, ok := r.(*PanicError); ok {
				return p.Value, true
			}
			return nil, false
		},
		ErrExit: ErrExit, ErrNoRun: ErrNoRun, ErrCyclicParent: ErrCyclicParent, ErrRootParent: ErrRootParent,
	}, t
}

// A Log is what happened, in order. It may be read while the play hangs.
type Log struct {
	mu    sync.Mutex
	lines []string
}

func (l *Log) Lines() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lines[:len(l.lines):len(l.lines)]
}

// player plays a program on one side.
type player[G Node[G]] struct {
	Side[G]
	program Program
	next    int // the step to take
	end     int // where steps end for now
	slots   [8]G
	names   map[G]string // of all that were ever made, which keeps them from the collector
	step    int          // being taken
	armed   int          // what the tracer is to do at the next event
	failed  [4]error     // the errors of the program's own
	wrapped [2]error
	over    bool // Run has ended
	log     *Log
}

// Play plays the program on that side and logs all that can be seen of it, on a
// goroutine of its own that closes done at the end. Every program ends: when no
// steps are left, bodies return.
//
// The last quarter of the steps is for what happens while Run kills.
func Play[G Node[G]](side Side[G], program Program, log *Log) (done <-chan struct{}) {
	p := &player[G]{Side: side, program: program, end: len(program) - len(program)/4, names: map[G]string{}, log: log}
	for i := range p.failed {
		p.failed[i] = fmt.Errorf("err%d", i)
	}
	p.wrapped[0] = fmt.Errorf("wrapped %w", p.ErrExit)
	p.wrapped[1] = errors.Join(p.failed[0], p.ErrExit)
	over := make(chan struct{})
	go func() {
		defer close(over)
		returned := false
		defer func() {
			if !returned {
				p.note("Run unwinds: %s", p.value(recover()))
			}
			p.over = true
		}()
		err := p.Run(p.root)
		returned = true
		p.note("Run returns %s", p.value(err))
	}()
	return over
}

func (p *player[G]) root(root G) error {
	p.slots[0], p.names[root] = root, "M"
	defer func() { p.end = len(p.program) }()
	for {
		s, ok := p.take()
		if !ok {
			return nil
		}
		if s.Op != 'f' {
			if done, _, err := p.do("M", s, false); done {
				return err
			}
			continue
		}
		p.note("M: %v", s)
		switch {
		case s.A == 7:
			runtime.Goexit()
		case s.A == 6:
			p.panic(s.B)
		case s.A%2 == 1:
			return p.failure(s.B)
		}
		return nil
	}
}

// body makes the body of the greenlet of that name.
func (p *player[G]) body(name string, deferred bool) func(any) (any, error) {
	return func(arg any) (v any, err error) {
		p.note("%s starts with %s", name, p.value(arg))
		returned := false
		defer func() {
			if !returned {
				p.note("%s unwinds", name)
			}
			if deferred {
				if s, ok := p.take(); ok {
					_, _, _ = p.do(name+"'s defer", s, true)
				}
			}
		}()
		for {
			s, ok := p.take()
			if !ok {
				p.note("%s: no steps left", name)
				returned = true
				return p.next, nil
			}
			if done, v, err := p.do(name, s, false); done {
				p.note("%s ends", name)
				returned = true
				return v, err
			}
		}
	}
}

func (p *player[G]) take() (Step, bool) {
	if p.over || p.next >= p.end {
		return Step{}, false
	}
	s := p.program[p.next]
	p.step = p.next
	p.next++
	return s, true
}

// do takes a step for the greenlet of that name. nested is for what is no body
// itself. done says that the body ends with v and err.
func (p *player[G]) do(name string, s Step, nested bool) (done bool, v any, err error) {
	step, g := p.step, p.slots[s.A]
	what := fmt.Sprintf("%s #%d", name, step)
	var none G
	if strings.IndexByte("stkP", s.Op) >= 0 && g == none {
		return false, nil, nil
	}
	if strings.IndexByte("repx", s.Op) >= 0 && name == "M" || s.Op == 'f' {
		return false, nil, nil
	}
	p.note("%s: %v", what, s)
	switch s.Op {
	case 'n':
		p.create(s)
	case 's':
		return p.try(what, name, s, func() (any, error) { return g.Switch(p.plain(s.B)) })
	case 't':
		return p.try(what, name, s, func() (any, error) {
			if s.B == 6 {
				return g.Throw(nil)
			}
			return g.Throw(p.failure(s.B))
		})
	case 'k':
		return p.try(what, name, s, func() (any, error) { return nil, g.Kill() })
	case 'P':
		to := p.slots[s.B]
		if s.B == 7 && s.C == 7 {
			to = none
		}
		p.note("%s: %s", what, p.value(g.SetParent(to)))
	case 'T':
		p.setTrace(s.A)
	case 'r':
		return !nested, p.plain(s.B), nil
	case 'e':
		return !nested, nil, p.failure(s.B)
	case 'p':
		p.panic(s.B)
	case 'x':
		runtime.Goexit()
	}
	return false, nil, nil
}

// try does something that gives control away, and reacts to what comes back.
func (p *player[G]) try(what, name string, s Step, f func() (any, error)) (done bool, v any, err error) {
	react := s.C
	if name == "M" && react != 7 { // the root is not to end too often
		react = 0
	}
	returned := false
	defer func() {
		if me := p.Current(); p.names[me] != strings.TrimSuffix(name, "'s defer") && !strings.HasPrefix(name, "tracer") {
			p.note("%s: on the wrong greenlet", what)
		}
		if returned {
			return
		}
		if react == 4 || react == 5 || react == 7 {
			p.note("%s: unwinds", what)
			return
		}
		r := recover()
		p.note("%s: unwinds with %s", what, p.value(r))
		switch react {
		case 2, 3:
			e, ok := r.(error)
			if !ok {
				e = p.failed[0]
			}
			done, v, err = r != nil, nil, e // r is nil in a Goexit
		case 6:
			if r != nil {
				panic(r)
			}
		}
	}()
	v, err = f()
	returned = true
	p.note("%s: got %s, %s", what, p.value(v), p.value(err))
	if err != nil {
		switch react {
		case 2, 4:
			return true, nil, err
		case 3, 6:
			panic(err)
		}
	}
	return false, nil, nil
}

// create makes a greenlet in a slot that is empty or holds a dead one.
func (p *player[G]) create(s Step) {
	var none G
	if old := p.slots[s.A]; s.A == 0 || old != none && !old.Dead() {
		return
	}
	parent := p.slots[s.B]
	name := fmt.Sprint(s.A)
	if parent == p.slots[s.A] {
		parent = none // the default
	}
	for p.named(name) {
		name += "'"
	}
	run := p.body(name, s.C == 5 || s.C == 6)
	if s.C == 7 {
		run = nil
	}
	g := p.New(run, parent)
	p.slots[s.A], p.names[g] = g, name
	p.note("made %s", name)
}

func (p *player[G]) named(name string) bool {
	for _, n := range p.names {
		if n == name {
			return true
		}
	}
	return false
}

func (p *player[G]) setTrace(a int) {
	if a == 0 {
		p.note("had a tracer: %v", p.SetTrace(nil))
		return
	}
	p.armed = max(a, 4) - 4
	p.note("had a tracer: %v", p.SetTrace(func(throw bool, origin, target G) {
		e := "switch"
		if throw {
			e = "throw"
		}
		p.note("    %s(%s,%s)", e, p.name(origin), p.name(target))
		if target != p.Current() {
			p.note("tracer on the wrong greenlet")
		}
		what := p.armed
		p.armed = 0
		switch what {
		case 1:
			panic("tracer")
		case 2, 3:
			if s, ok := p.take(); ok {
				_, _, _ = p.do("tracer on "+p.name(target), s, true)
			}
		}
	}))
}

// plain is the value for a digit.
func (p *player[G]) plain(d int) any {
	switch d {
	case 6:
		return nil
	case 7:
		return p.ErrExit
	}
	return p.step
}

func (p *player[G]) failure(d int) error {
	switch d {
	case 4, 6:
		return p.ErrExit
	case 5:
		return p.wrapped[0]
	case 7:
		return p.wrapped[1]
	}
	return p.failed[d]
}

func (p *player[G]) panic(d int) {
	switch d {
	case 2, 3, 4, 7:
		panic(p.failure(min(d, 5)))
	case 5:
		panic(nil)
	case 6:
		// Go takes the address of a fault on ppc64 from the saved register DAR, which QEMU's user mode
		// (7.2) does not write to a signal's frame: there is what was in that memory before. If that is no
		// address near nil, the program ends, but for this. The text of the panic is the same.
		defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
		var nowhere *player[G]
		nowhere.step++
	}
	panic(d)
}

func (p *player[G]) name(g G) string {
	var none G
	switch n, ok := p.names[g]; {
	case ok:
		return n
	case g == none:
		return "nil"
	}
	return "?"
}

// value describes a value, an error or a panic so that the sides can be compared.
func (p *player[G]) value(v any) string {
	if r, ok := p.Panicked(v); ok {
		return "panic(" + p.value(r) + ")"
	}
	err, ok := v.(error)
	if !ok {
		return fmt.Sprint(v)
	}
	for i, e := range p.failed {
		if err == e {
			return fmt.Sprint("err", i)
		}
	}
	switch err {
	case p.ErrExit:
		return "ErrExit"
	case p.wrapped[0]:
		return "wrapped ErrExit"
	case p.wrapped[1]:
		return "err0+ErrExit"
	case p.ErrNoRun:
		return "ErrNoRun"
	case p.ErrCyclicParent:
		return "ErrCyclicParent"
	case p.ErrRootParent:
		return "ErrRootParent"
	}
	switch e := err.(type) {
	case runtime.Error:
		return "runtime.Error"
	case interface{ Unwrap() error }:
		return p.value(e.Unwrap())
	case interface{ Unwrap() []error }:
		// The order says who was killed first.
		var list []string
		for _, e := range e.Unwrap() {
			list = append(list, p.value(e))
		}
		return strings.Join(list, "+")
	}
	return "another error"
}

// note logs a line together with all that is to be seen of the greenlets.
func (p *player[G]) note(format string, args ...any) {
	if p.over {
		return
	}
	var none G
	var b strings.Builder
	fmt.Fprintf(&b, "%-50s", fmt.Sprintf(format, args...))
	for i, g := range p.slots {
		if g == none {
			continue
		}
		state := p.State(g)
		fmt.Fprintf(&b, " %s:%s", p.name(g), state[:1])
		if parent := g.Parent(); parent != none {
			b.WriteString("^" + p.name(parent))
		}
		if g.Dead() != (state == "dead") || g.Active() != (state == "running" || state == "suspended") || g.IsRoot() != (i == 0) {
			fmt.Fprintf(&b, "(dead %v, active %v, root %v)", g.Dead(), g.Active(), g.IsRoot())
		}
	}
	p.log.mu.Lock()
	defer p.log.mu.Unlock()
	p.log.lines = append(p.log.lines, b.String())
}
