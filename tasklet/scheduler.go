package tasklet

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"unsafe"

	"github.com/go-greenlet/greenlet"
	"github.com/go-greenlet/greenlet/internal/layer"
)

// A scheduler has the tasklets of one root.
type scheduler struct {
	root      *greenlet.Greenlet
	main      *Tasklet
	head      *Tasklet // of the run ring, which is circular: the current tasklet
	n         int      // in the ring
	innermost *run     // the innermost call of Run that has not returned
	trap      int      // see SwitchTrap

	lookPending atomic.Bool // a Look waits

	blocked    *Tasklet // the list of those that wait, by next and prev, the last one first
	clockHolds int      // of those, how many wait for a function of Await
	clock      *clock   // nil: time is real
	paused     paused
	outside
}

// ownContext is the context of a tasklet's own greenlet: it says whose it is.
type ownContext struct {
	context.Context
	t *Tasklet
}

var errByHand = errors.New("somebody has switched to the tasklet's greenlet, past the scheduler")

// currentScheduler returns the scheduler of the calling goroutine, and makes it if there is none. The
// caller is the head of its ring then. It panics with the error if the operating system
// refuses what a root takes.
func currentScheduler() *scheduler {
	kept, g := layer.Here()
	if g == nil {
		greenlet.Current() // makes it a root
		kept, g = layer.Here()
	}
	s, _ := kept.(*scheduler)
	if s == nil {
		return s.identifySlow()
	}
	return s.identify(g)
}

// isCurrent says whether the caller is one of the scheduler's. If so, it is the head.
func (s *scheduler) isCurrent() bool {
	kept, g := layer.Here()
	return g != nil && kept == layer.Layer(s) && s.identify(g) == s
}

// identify notes who calls, on greenlet g, and returns the scheduler that the caller is of.
func (s *scheduler) identify(g unsafe.Pointer) *scheduler {
	if t := s.head; t != nil && unsafe.Pointer(t.g) == g {
		return s
	}
	return s.identifySlow()
}

// identifySlow is enter for a tasklet that something else than this package has switched to, and
// for a greenlet that a tasklet has made, or whose context was replaced: it counts as the
// head's. A tasklet belongs to its own scheduler in any case: when a goroutine has ended
// that was a root without a Run, another one ends the tasklets that it has left, and s is
// that one's, or nil.
func (s *scheduler) identifySlow() *scheduler {
	g := greenlet.Current()
	if h, ok := g.Context().(*ownContext); ok && h.t.own == g { // a greenlet can inherit the context
		h.t.s.setRunning(h.t, g)
		return h.t.s
	}
	if s == nil {
		s = newScheduler()
		layer.Keep(s)
	}
	t := s.head
	if t == nil || g == s.root {
		t = s.main
	}
	s.setRunning(t, g)
	return s
}

func newScheduler() *scheduler {
	root := (*greenlet.Greenlet)(layer.Root())
	s := &scheduler{root: root}
	s.main = &Tasklet{s: s, g: root, id: root.ID(), started: true}
	s.main.SetName("main")
	s.insert(s.main, nil)
	s.wakeup = make(chan struct{}, 1)
	return s
}

// rootEnded says whether the root has ended, and all its tasklets with it. Any goroutine
// may ask.
func (s *scheduler) rootEnded() bool { return !s.root.Active() }

// setRunning notes that t runs, on g. Others than this package may have switched to it.
func (s *scheduler) setRunning(t *Tasklet, g *greenlet.Greenlet) {
	t.g = g
	if s.head != t {
		s.makeHead(t)
	}
}

// refusal says why the current tasklet may not switch, if so.
func (s *scheduler) refusal(op string, who fmt.Stringer) error {
	switch {
	case s.head.ending:
		return ErrExit
	case s.trap > 0:
		return fail(op, who, ErrSwitchTrap)
	}
	return nil
}

// whenIdle says who goes on when the ring is empty: the innermost Run, or main, if it
// is paused. nil: nobody can.
func (s *scheduler) whenIdle() *Tasklet {
	if s.innermost != nil {
		return s.resumeRunCaller()
	}
	if s.main.Paused() {
		s.add(s.main)
		return s.main
	}
	return nil
}

// hasSuccessor says whether somebody would go on if me, the only one in the ring, left
// it: idle finds somebody, or something from outside is awaited.
func (s *scheduler) hasSuccessor(me *Tasklet) bool {
	return s.innermost != nil || s.main.Paused() || s.awaited > 0 || me.pending != nil
}

// switchAway passes control from me, which has made room at the head, to whoever is
// next, and returns when me is the head again, with what was thrown at it.
func (s *scheduler) switchAway(me *Tasklet) error {
	if me.pending != nil {
		s.makeRunnable(me) // it is not to wait: there is more that was thrown at it
	}
	var err error
	if to := s.pickNext(); to != me {
		_, err = to.g.Switch(nil)
	}
	if s.head == me && err == nil && me.pending == nil {
		return nil
	}
	return s.resumed(me, err)
}

// pickNext is the one that goes on: the head, if the innermost Run has not made its
// number of switches. It waits for something from outside if there is nobody else.
func (s *scheduler) pickNext() *Tasklet {
	s.poll()
	for s.head == nil && (s.innermost == nil || s.innermost.left > 0) {
		if s.awaited == 0 || s.innermost != nil && s.innermost.budget > 0 {
			return s.whenIdle()
		}
		if s.clock == nil || s.clockHolds > 0 || !s.clock.advanceToNext() {
			<-s.wakeup
		}
		s.poll()
	}
	if r := s.innermost; r != nil {
		if r.exhausted() {
			return s.resumeRunCaller()
		}
		r.left--
	}
	return s.head
}

// resumed is what a tasklet does when it goes on, and that was not plain. err is what
// its switch returned: nil, unless it was not this package that switched to it, or
// nothing was.
func (s *scheduler) resumed(me *Tasklet, err error) error {
	for layer.Refused(err) && s.head != me && !s.head.started && s.head.own.State() == greenlet.Pending {
		if _, mine := greenlet.Current().Switch(nil); mine != nil {
			break // it is me who may not switch, in a section of C code
		}
		// There is no memory for the head's stack: that is its own failure.
		to, _ := s.head.end(pendingError{err: err}, false)
		err = nil
		if to != me {
			_, err = to.g.Switch(nil)
		}
	}
	if s.head != me {
		s.makeHead(me)
		if err == nil {
			err = errByHand
		}
	}
	switch {
	case err == nil && me.pending == nil:
		return nil
	case err == nil:
		m := me.takePending()
		if m.panics {
			panic(m.err)
		}
		return m.err
	case exits(err) && greenlet.Current() == me.own:
		me.ending = true
	}
	return err
}
