package greenlet

import (
	"runtime"
	"sync/atomic"

	"github.com/go-greenlet/greenlet/internal/gort"
	"github.com/go-greenlet/greenlet/internal/place"
)

// A Coroutine is an asymmetric coroutine with typed values: Resume hands one in
// and gets one out. Values pass without an allocation. Make it with NewCoroutine.
//
// Any goroutine may resume and stop it, one at a time, as with [Pull].
type Coroutine[In, Out any] struct {
	g *Greenlet
	s *coroutine[In, Out]
}

// coroutine is what the body may hold; see hand.
type coroutine[In, Out any] struct {
	asymmetric
	in      atomic.Pointer[In] // what the body is to find, where the tree that it is in leaves it
	out     Out
	firstIn In // for the first tree
	f       func(yield func(Out) (In, error), first In) error
}

// NewCoroutine makes a coroutine that will run body, and does not start it. The
// first Resume calls body with the value that it hands in. In the body, yield
// hands a value out and returns the one that the next Resume hands in.
//
// When yield returns an error, the body is to end: with ErrExit, somebody has
// called Stop; else, an error was thrown at it, or no Resume waits any more. What the body returns ends the coroutine; ErrExit counts as nil.
func NewCoroutine[In, Out any](body func(yield func(Out) (In, error), first In) error) *Coroutine[In, Out] {
	s := &coroutine[In, Out]{f: body}
	s.in.Store(&s.firstIn)
	return &Coroutine[In, Out]{s.newGreenlet(place.PC(body), s), s}
}

func (s *coroutine[In, Out]) run() error {
	f := s.f
	s.f = nil
	return f(s.yield, s.takeIn())
}

func (s *coroutine[In, Out]) moved() { s.in.Store(new(In)) } // what another one may be writing comes too late

func (s *coroutine[In, Out]) takeIn() (in In) {
	p := s.in.Load()
	in, *p = *p, in
	return in
}

func (s *coroutine[In, Out]) yield(out Out) (in In, err error) {
	if t, to := s.beginFastYield(); t != nil {
		s.out = out
		if way, by := t.one.SwitchFast(to); way != gort.Refused {
			if by != t.one {
				t = s.c.tree.Load() // it may have been moved
			}
			if !s.endFastYield(t) {
				if err := s.yieldError(); err != nil {
					return in, err
				}
			}
			return s.takeIn(), nil
		}
		s.undoFastYield(t)
	}
	t, to, err := s.checkYield("yield")
	if err != nil {
		return in, err
	}
	s.out = out
	if !s.asymmetric.yield(t, to) {
		if err := s.yieldError(); err != nil {
			return in, err
		}
	}
	return s.takeIn(), nil
}

// Resume hands in a value and lets the body go on, until it yields: then Resume
// returns what was yielded, and true. ok is false when the body has ended, with
// the error that it returned, and in every later call, with a nil error. If the
// body panics, Resume panics with a *PanicError.
//
// ok is false, too, with an error of this package when Resume is refused: the
// coroutine runs, is suspended in C on another goroutine, or has answered a Kill by
// yielding, and the Resume before still waits. Then nothing was touched. An
// error that somebody throws at the caller while it waits here comes out with ok
// false as well; the coroutine goes on then.
func (c *Coroutine[In, Out]) Resume(in In) (out Out, ok bool, err error) {
	if c == nil || !c.g.valid() {
		return out, false, fail("Resume", nil, errNil, "make a Coroutine with NewCoroutine")
	}
	s := c.s
	p := s.in.Load() // before it is seen whose the body is
	if t, to := s.fastTree(), c.g.fastCoro(); t != nil && to != nil && t.isHereAndIdle() {
		s.beginFastResume(t, c.g)
		*p = in
		if way, _ := t.one.SwitchFast(to); way != gort.Refused {
			if s.endFastResume(t) {
				out, s.out = s.out, out
				s.endResume()
				return out, true, nil
			}
			return s.resumeOutcome(c.g, s.resumeResult(c.g))
		}
		s.undoFastResume(t)
	}
	t, err := s.checkResume(c.g, "Resume")
	if err == errEnded {
		return out, false, nil
	}
	if err != nil {
		if t, ok := err.(thrown); ok { // at the caller
			err = t.Err
		}
		return out, false, err
	}
	*s.in.Load() = in
	var m message
	if !s.resume(t, c.g) {
		m = s.resumeResult(c.g)
	}
	return s.resumeOutcome(c.g, m)
}

// resumeOutcome is what Resume returns after m.
func (s *coroutine[In, Out]) resumeOutcome(g *Greenlet, m message) (out Out, ok bool, err error) {
	if s.yielded {
		out, s.out = s.out, out
		s.endResume()
		return out, true, nil
	}
	_, err = m.open()
	if err == nil && g.c.life.Load() != lifeDead {
		err = fail("Resume", g, errInterrupted, "")
	}
	return out, false, err
}

// Stop ends the coroutine: the yield that it waits in returns ErrExit. Stop
// returns what Kill would: nil when the body has ended quietly, its error, or one
// that says that the body went on. A coroutine that was never resumed just ends.
func (c *Coroutine[In, Out]) Stop() error {
	if c == nil {
		return fail("Stop", nil, errNil, "make a Coroutine with NewCoroutine")
	}
	err, goexit := c.g.killFor("Stop")
	if goexit {
		runtime.Goexit()
	}
	return err
}
