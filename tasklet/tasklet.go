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

// A Tasklet is a function that runs in turns with others. Make it with New or Go.
//
// All methods but String are called on the thread that made it.
type Tasklet struct {
	s          *scheduler
	g          *greenlet.Greenlet // where it goes on: its own, or one that it has made
	own        *greenlet.Greenlet
	f          func()
	id         uint64
	code       uintptr                // where f's code begins; see place.Body
	name       atomic.Pointer[string] // errors show it, and they go anywhere
	next, prev *Tasklet
	blockedIn  blocker            // what it is blocked in; nil: nothing
	pending    []pendingError     // for when it goes on, one at a time
	timeouts   int                // calls of Timeout that it is in and that may throw an error at it yet
	ended      *Channel[struct{}] // closed when it ends; nil: nobody has waited for that
	result     func(err error)    // is told what it has ended with, except a panic, in place of Run

	inRing    bool
	started   bool
	dead      bool
	watched   bool // a context may end its next wait; see watch
	blockTrap bool
	listed    bool // in the scheduler's list of those that have been paused
	// Somebody else than this package has thrown ErrExit at it, such as the end of
	// its root, and waits for its end. It does not switch any more, so that its
	// deferred calls run to the end.
	ending bool
}

// blocker is what a tasklet can be blocked in.
type blocker interface {
	cancel()
	waits() Wait
}

// New makes a tasklet that will call f, and does not schedule it: Insert does. New(nil)
// makes one that has ended.
func New(f func()) *Tasklet {
	t := bind(f)
	t.s.paused.add(t)
	return t
}

func bind(f func()) *Tasklet {
	s := currentScheduler()
	t := &Tasklet{s: s, f: f, code: place.PC(f)}
	if f == nil {
		t.dead = true // unbound
		return t
	}
	t.own = greenlet.New(t.body, greenlet.WithParent(s.root), greenlet.WithContext(&ownContext{context.Background(), t}))
	t.g, t.id = t.own, t.own.ID()
	return t
}

// Go makes a tasklet that will call f, and puts it at the end of the run ring. If f is
// nil, the tasklet ends with an error that says so.
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

// SetName sets a name for people, and returns t. It shows in String, in deadlock
// reports and errors, and, as that of the tasklet's greenlet, in profiles.
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

// who is a name for people: the tasklet's own, if it has one, and its number.
func who(name string, id uint64) string {
	if name == "" {
		name = "tasklet"
	}
	if id == 0 {
		return name
	}
	return fmt.Sprintf("%s/%d", name, id)
}

// String describes the tasklet for people: its name, its number, and on its own goroutine
// what it does, as in "cook/7 (receives from orders)". The others are "running",
// "runnable", which is in the ring, "paused" and "dead".
func (t *Tasklet) String() string {
	if t == nil {
		return t.label()
	}
	if state := t.state(); state != "" {
		return t.label() + " (" + state + ")"
	}
	return t.label()
}

// label is String without the state: errors have it, which say themselves what happened,
// and may be looked at later.
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

// state says what t does; "" where the caller may not know.
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

// SetBlockTrap sets or clears the tasklet's block trap: while it is set, an
// operation that would block it returns ErrBlockTrap and changes nothing. Run, which
// waits for the others to run, is none of these. A dead tasklet has no trap.
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

// Alive says whether the tasklet has not ended, nor its root.
func (t *Tasklet) Alive() bool { return t != nil && t.s != nil && !t.s.rootEnded() && !t.dead }

// Blocked says whether it waits: on a channel, for something from outside, or in
// Run. A living tasklet is blocked, in the ring, or paused.
func (t *Tasklet) Blocked() bool { return t.Alive() && t.blockedIn != nil }

// Scheduled says whether it is in the run ring, or blocked on a channel, as in
// Stackless.
func (t *Tasklet) Scheduled() bool {
	return t.Alive() && (t.inRing || t.blockedIn != nil && t.blockedIn.waits().channel)
}

// Paused says whether it is alive and waits for nothing but to be inserted.
func (t *Tasklet) Paused() bool { return t.Alive() && !t.inRing && t.blockedIn == nil }
