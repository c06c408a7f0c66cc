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

// A scheduler runs the tasklets of one root.
type scheduler struct {
	root      *greenlet.Greenlet
	main      *Tasklet
	head      *Tasklet // of the run ring, which is circular; it is the current tasklet
	n         int      // how many tasklets are in the ring
	innermost *run     // the innermost call of Run that has not returned
	trap      int      // see SwitchTrap

	looking atomic.Pointer[layer.Answer] // the snapshot that Look waits for; nil: none

	blocked    *Tasklet // a list linked by next and prev: the one that was blocked last comes first
	clockHolds int      // how many of them are in Await, which stops the virtual clock
	clock      *clock   // nil: time is real
	paused     paused
	outside
}

// ownContext is the context of a tasklet's own greenlet. It refers to the tasklet.
type ownContext struct {
	context.Context
	t *Tasklet
}

var errByHand = errors.New("somebody has switched to the tasklet's greenlet, past the scheduler")

// currentScheduler returns the scheduler of the calling goroutine, which it makes if there is
// none, with the caller as the head of its ring. It panics with the error if the operating
// system refuses what a root takes.
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

// isCurrent reports whether the caller is one of the scheduler's tasklets. If so, it is the
// head.
func (s *scheduler) isCurrent() bool {
	kept, g := layer.Here()
	return g != nil && kept == layer.Layer(s) && s.identify(g) == s
}

// identify makes the calling tasklet, which runs on greenlet g, the head, and returns the
// scheduler that it belongs to.
func (s *scheduler) identify(g unsafe.Pointer) *scheduler {
	if t := s.head; t != nil && unsafe.Pointer(t.g) == g {
		return s
	}
	return s.identifySlow()
}

// identifySlow is identify for a tasklet that something else than this package has switched
// to, and for a greenlet that a tasklet has made, or whose context was replaced: that one
// counts as the head's. A tasklet stays with its own scheduler in any case. When a goroutine
// has ended that was a root without a Run, another goroutine ends the tasklets that are left,
// and s is the scheduler of the other goroutine, or nil.
func (s *scheduler) identifySlow() *scheduler {
	g := greenlet.Current()
	if h, ok := g.Context().(*ownContext); ok && h.t.own == g { // a greenlet can inherit the context
		h.t.s.setRunning(h.t, g)
		return h.t.s
	}
	if s == nil {
		s = newScheduler()
		layer.Keep(s)
		s.poll() // what was posted before comes first
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

// rootEnded reports whether the root has ended, and all its tasklets with it. Any goroutine
// may call it.
func (s *scheduler) rootEnded() bool { return !s.root.Active() }

// setRunning makes t, which runs on g, the head, if something else than this package has
// switched to it.
func (s *scheduler) setRunning(t *Tasklet, g *greenlet.Greenlet) {
	t.g = g
	if s.head != t {
		s.makeHead(t)
	}
}

// refusal is the error of an operation that needs a switch, where the current tasklet may
// not switch, and nil where it may.
func (s *scheduler) refusal(op string, who fmt.Stringer) error {
	switch {
	case s.head.ending:
		return ErrExit
	case s.trap > 0:
		return fail(op, who, ErrSwitchTrap)
	}
	return nil
}

// whenIdle returns the tasklet that goes on when the ring is empty: the caller of the
// innermost Run, or else main, if it is paused. nil means that there is neither.
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

// hasSuccessor reports whether a tasklet would go on if me, the only one in the ring, left
// it: whenIdle finds one, something from outside is awaited, or me itself has an error
// pending.
func (s *scheduler) hasSuccessor(me *Tasklet) bool {
	return s.innermost != nil || s.main.Paused() || s.awaited > 0 || me.pending != nil
}

// switchAway suspends me and switches to the tasklet that is next. The caller has made that
// one the head, or has left the ring empty. switchAway returns when me is resumed, with the
// error that was thrown at me meanwhile.
func (s *scheduler) switchAway(me *Tasklet) error {
	if me.pending != nil {
		s.makeRunnable(me) // it does not wait until it has had all that was thrown at it
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

// pickNext returns the tasklet that goes on: the head, or the caller of the innermost Run if
// that has made its number of switches or spent its budget. If the ring is empty and
// something from outside is awaited, it sleeps until that comes. nil: nobody can go on.
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

// resumed handles the end of a switch that was not a plain one. err is what the switch
// returned. It is nil if this package has switched to me, and an error pends then. It is not
// nil if something else has switched to me, or if the switch was refused.
func (s *scheduler) resumed(me *Tasklet, err error) error {
	for layer.Refused(err) && s.head != me && !s.head.started && s.head.own.State() == greenlet.Pending {
		if _, mine := greenlet.Current().Switch(nil); mine != nil {
			break // me is in a section of C code and may not switch: the head is not to blame
		}
		// There is no memory for the stack of the head, which ends with that error.
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
