package tasklet

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/go-greenlet/greenlet"
	"github.com/go-greenlet/greenlet/internal/layer"
	"github.com/go-greenlet/greenlet/internal/place"
)

// A Tasklet is a function that runs in turns with others. Make it with New, Go or Spawn.
//
// A tasklet belongs to the root that made it, and its methods, except for String and SetName,
// are called on that one's goroutine.
type Tasklet struct {
	s          *scheduler
	g          *greenlet.Greenlet // the greenlet to switch to: its own, or one that it has made
	own        *greenlet.Greenlet
	f          func()
	id         uint64
	code       uintptr                // where f's code begins; see place.Body
	name       atomic.Pointer[string] // atomic, since errors show it on other goroutines
	next, prev *Tasklet
	blockedIn  blocker            // nil: it is not blocked
	pending    []pendingError     // thrown at it; it gets one each time it is resumed
	timeouts   int                // calls of Timeout that it is in and whose time is not over
	ended      *Channel[struct{}] // closed at its end; nil: there was no Join
	result     func(err error)    // gets the error it ends with, in place of Run; nil: Run does

	inRing    bool
	started   bool
	dead      bool
	watched   bool // a context may end its next wait; see watch
	blockTrap bool
	listed    bool // in the scheduler's list of those that have been paused
	// Something else than this package has thrown ErrExit at it and waits for its end, such
	// as the end of its root. All switches are refused from then on, so that its deferred
	// calls run to their end.
	ending bool
}

// A blocker is what a tasklet is blocked in.
type blocker interface {
	cancel() // ends the wait, without what it was for, and unparks the tasklet
	waits() Wait
}

// New makes a paused tasklet that will call f: Insert, Run or Switch starts it. New(nil)
// makes a tasklet that has ended.
func New(f func()) *Tasklet {
	t := bind(f)
	t.s.paused.add(t)
	return t
}

func bind(f func()) *Tasklet { return currentScheduler().bind(f) }

func (s *scheduler) bind(f func()) *Tasklet {
	t := &Tasklet{s: s, f: f, code: place.PC(f)}
	if f == nil {
		t.dead = true // unbound
		return t
	}
	t.own = greenlet.New(t.body, greenlet.WithParent(s.root), greenlet.WithContext(&ownContext{context.Background(), t}))
	t.g, t.id = t.own, t.own.ID()
	return t
}

// Go makes a tasklet that will call f, and appends it to the run ring. If f is nil, the
// tasklet ends with an error that says so.
func Go(f func()) *Tasklet {
	code := place.PC(f)
	if f == nil {
		err := fmt.Errorf("tasklet: Go at %s: %w", place.Caller(), errNoFunction)
		f = func() { must(err) }
	}
	t := bind(f)
	t.code = code
	t.s.add(t)
	return t
}

// SetName sets the name that String, errors and deadlock reports show, and returns t. It is
// the name of the tasklet's greenlet, too, and so shows in profiles.
func (t *Tasklet) SetName(name string) *Tasklet {
	if t == nil {
		return nil
	}
	t.name.Store(&name)
	t.own.SetName(name)
	return t
}

func (t *Tasklet) called() string {
	if n := t.name.Load(); n != nil {
		return *n
	}
	return ""
}

// who is a tasklet's name, if it has one, and its number.
func who(name string, id uint64) string {
	if name == "" {
		name = "tasklet"
	}
	if id == 0 {
		return name
	}
	return fmt.Sprintf("%s/%d", name, id)
}

// String returns the tasklet's name and number and, on its own goroutine, its state, as in
// "cook/7 (receives from orders)". The states besides what it is blocked in are "running",
// "runnable" (in the ring), "paused" and "dead".
func (t *Tasklet) String() string {
	if t == nil {
		return t.label()
	}
	if state := t.state(); state != "" {
		return t.label() + " (" + state + ")"
	}
	return t.label()
}

// label is String without the state. Errors use it: the state may have changed when their
// text is made.
func (t *Tasklet) label() string {
	if t == nil {
		return "tasklet(nil)"
	}
	return who(t.called(), t.id)
}

func label(of fmt.Stringer) string {
	if t, ok := of.(*Tasklet); ok {
		return t.label()
	}
	return of.String()
}

// state is the state for String; "" on other goroutines, which may not read it.
func (t *Tasklet) state() string {
	if t.s == nil || t.s.rootEnded() {
		return "dead"
	}
	if kept, _ := layer.Here(); kept != layer.Layer(t.s) {
		return ""
	}
	switch {
	case t.dead:
		return "dead"
	case t == t.s.head:
		return "running"
	case t.inRing:
		return "runnable"
	case t.blockedIn != nil:
		return t.blockedIn.waits().what()
	}
	return "paused"
}

// SetBlockTrap sets or clears the tasklet's block trap. While it is set, an operation that
// would block the tasklet returns ErrBlockTrap and changes nothing. Run is not such an
// operation. On a dead tasklet SetBlockTrap does nothing.
//
// It panics with ErrWrongThread if the tasklet is another root's.
func (t *Tasklet) SetBlockTrap(on bool) {
	switch _, err := t.usable("SetBlockTrap"); {
	case err == nil:
		t.blockTrap = on
	case !errors.Is(err, ErrDead):
		panic(err)
	}
}

// Alive reports whether neither the tasklet nor its root has ended.
func (t *Tasklet) Alive() bool { return t != nil && t.s != nil && !t.s.rootEnded() && !t.dead }

// Blocked reports whether the tasklet waits: on a channel, an event and the like, for
// something from outside, or in Run. A living tasklet is in the ring, blocked or paused.
func (t *Tasklet) Blocked() bool { return t.Alive() && t.blockedIn != nil }

// Scheduled reports whether the tasklet is in the run ring or blocked on a channel, which is
// Stackless's definition.
func (t *Tasklet) Scheduled() bool {
	return t.Alive() && (t.inRing || t.blockedIn != nil && t.blockedIn.waits().channel)
}

// Paused reports whether the tasklet is alive, and neither in the ring nor blocked.
func (t *Tasklet) Paused() bool { return t.Alive() && !t.inRing && t.blockedIn == nil }
