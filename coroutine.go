package greenlet

import (
	"runtime"
	"sync/atomic"

	"github.com/go-greenlet/greenlet/internal/gort"
	"github.com/go-greenlet/greenlet/internal/place"
)

// A Coroutine is an asymmetric coroutine with typed values: Resume passes a value to the body
// and returns the one that the body yields. Values pass without an allocation. Make it with
// NewCoroutine.
//
// Any goroutine may resume and stop it, one at a time, as with [Pull].
type Coroutine[In, Out any] struct {
	g *Greenlet
	s *coroutine[In, Out]
}

// coroutine is the state that Resume and the body share. The body's stack holds it, so it does
// not refer to the Coroutine; see asymmetric.
type coroutine[In, Out any] struct {
	asymmetric
	// in names the value that passes to the body. Resume loads the pointer before it knows whether
	// the body is in its tree, and writes through it before SwitchFast; takeIn empties the value.
	// moved replaces it, so that a goroutine from which the body was moved away meanwhile writes
	// to the old one, which is not read any more.
	in      atomic.Pointer[In]
	out     Out                                               // written by the body before it yields, taken out by Resume after that
	firstIn In                                                // what in names until the first move
	f       func(yield func(Out) (In, error), first In) error // nil once it runs, so that it is not retained

	outByJump, inByJump bool // Resume, and yield, may return by a jump; see gort.Return
}

// NewCoroutine makes a coroutine that will run body, and does not start it. The first Resume
// calls body with its value. In the body, yield passes a value to the caller of Resume, and
// returns the value of the next Resume.
//
// When yield returns an error, the body is to end: ErrExit, if Stop was called; else the error
// that was thrown at it, or one that says that no Resume waits any more. What body returns ends
// the coroutine, and is the error of the Resume or Stop that waits for it; ErrExit counts as nil.
func NewCoroutine[In, Out any](body func(yield func(Out) (In, error), first In) error) *Coroutine[In, Out] {
	s := &coroutine[In, Out]{f: body, outByJump: inRegisters[Out](), inByJump: inRegisters[In]()}
	s.in.Store(&s.firstIn)
	return &Coroutine[In, Out]{s.newGreenlet(place.PC(body), s), s}
}

func (s *coroutine[In, Out]) run() error {
	f := s.f
	s.f = nil
	return f(s.yield, s.takeIn())
}

func (s *coroutine[In, Out]) moved() { s.in.Store(new(In)) }

// takeIn returns the value that has passed to the body, and does not retain it.
func (s *coroutine[In, Out]) takeIn() (in In) {
	p := s.in.Load()
	in, *p = *p, in
	return in
}

// yield is the function that the body is given. It has SwitchFast in it: see beginFastResume.
func (s *coroutine[In, Out]) yield(out Out) (in In, err error) {
	if t, to := s.beginFastYield(); t != nil {
		s.out = out
		if way, thread := t.carrier.SwitchFast(to); way != gort.Refused {
			if thread != t.carrier {
				t = s.c.tree.Load() // the body may have been moved to another tree
			}
			if !s.endFastYield(t) && !s.endNotedYield(t) {
				if err := s.yieldError(); err != nil {
					return in, err
				}
				return s.takeIn(), nil
			}
			in = s.takeIn()
			if way == gort.Jumped && s.inByJump {
				return gort.Return[func(In, error) (In, error)]()(in, nil)
			}
			return in, nil
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

// Resume passes in to the body, which starts or goes on. When the body yields, Resume returns
// the value that was yielded, and true. When the body has ended, ok is false and err is the
// error that it returned; every later call returns false and a nil error. If the body panics,
// Resume panics with a *PanicError.
//
// ok is also false, with an error of this package, when Resume is refused, since the coroutine
// runs, or is suspended in C on another goroutine, or has answered a Kill by a yield while an
// earlier Resume still waits. Then nothing was changed. And ok is false when an error is thrown
// at the caller while it waits here: err is that error, and the coroutine lives on.
func (c *Coroutine[In, Out]) Resume(in In) (out Out, ok bool, err error) {
	if c == nil || !c.g.valid() {
		return out, false, fail("Resume", nil, errNil, "make a Coroutine with NewCoroutine")
	}
	s := c.s
	dst := s.in.Load() // before the body's tree is looked at: see coroutine.in
	t, to := s.fastTarget()
	if t == nil {
		t, to = s.startFast(c.g)
	}
	if t != nil && to != nil && t.isHere() && t.nothingToDo() {
		s.beginFastResume(t, c.g)
		*dst = in
		if way, _ := t.carrier.SwitchFast(to); way != gort.Refused {
			if s.endFastResume(t) || s.endNotedResume(t) {
				out, s.out = s.out, out
				s.endResume()
				if way == gort.Jumped && s.outByJump {
					return gort.Return[func(Out, bool, error) (Out, bool, error)]()(out, true, nil)
				}
				return out, true, nil
			}
			if s.endedPlainly() {
				return out, false, nil
			}
			m, yielded := s.resumeResult(c.g)
			return s.resumeOutcome(c.g, m, yielded)
		}
		s.undoFastResume(t)
	}
	t, err = s.checkResume(c.g, "Resume")
	if err == errEnded {
		return out, false, nil
	}
	if err != nil {
		if t, ok := err.(thrown); ok { // overtaken has wrapped what was thrown at the caller
			err = t.Err
		}
		return out, false, err
	}
	*s.in.Load() = in
	m, yielded := message{}, true
	if !s.resume(t, c.g) {
		if s.endedPlainly() {
			return out, false, nil
		}
		m, yielded = s.resumeResult(c.g)
	}
	return s.resumeOutcome(c.g, m, yielded)
}

// resumeOutcome returns Resume's results after m has come; if the body has yielded, m is not
// looked at.
func (s *coroutine[In, Out]) resumeOutcome(g *Greenlet, m message, yielded bool) (out Out, ok bool, err error) {
	if yielded {
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

// Stop ends the coroutine: the yield in which its body waits returns ErrExit. The result is
// that of Kill: nil if the body has ended without an error or with ErrExit, else its error, or
// one that says that the body goes on. A coroutine that was never resumed ends without its
// body running.
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
