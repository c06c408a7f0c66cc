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

// What the operations' errors match, with errors.Is.
var (
	// ErrExit is what Kill throws: an expected end.
	ErrExit = greenlet.ErrExit
	// ErrDead: the tasklet has ended, alone or with its root, or was made by no New.
	ErrDead = errors.New("the tasklet has ended")
	// ErrBlocked: the tasklet waits, and what it waits for decides when it goes on.
	// That may be Run, for its caller.
	ErrBlocked = errors.New("the tasklet is blocked")
	// ErrCurrent: the operation makes no sense on the current tasklet.
	ErrCurrent = errors.New("the tasklet is the current one")
	// ErrWrongThread: the tasklet or channel belongs to another root.
	ErrWrongThread = greenlet.ErrWrongThread
	// ErrBlockTrap: the operation would block, and SetBlockTrap forbids it.
	ErrBlockTrap = errors.New("it would block, and a block trap is set")
	// ErrSwitchTrap: the operation would switch, and SwitchTrap forbids it.
	ErrSwitchTrap = errors.New("it would switch, and a switch trap is set")
	// ErrClosed: the channel is closed.
	ErrClosed = errors.New("the channel is closed")
	// ErrStop, sent with SendError, ends the loops over All.
	ErrStop = errors.New("the sequence has ended")
)

// An opError says which operation on whom was refused or ended with an error.
type opError struct {
	op   string
	who  fmt.Stringer
	err  error
	from *Tasklet // who has called it; nil: nobody in particular
	why  string   // what more there is to say; "": what there is to say about err
}

// fail makes the error of operation op on who, seen from the calling goroutine.
func fail(op string, who fmt.Stringer, err error) error {
	e := &opError{op: op, who: who, err: err}
	kept, _ := layer.Here()
	if s, ok := kept.(*scheduler); ok {
		e.from = s.head
	}
	return e
}

func (e *opError) Error() string {
	text := fmt.Sprintf("tasklet: %s of %s", e.op, label(e.who))
	if e.from != nil && fmt.Stringer(e.from) != e.who {
		text += " from " + e.from.label()
	}
	text += fmt.Sprintf(": %v", e.err)
	if why := e.remedy(); why != "" {
		text += "; " + why
	}
	return text
}

// remedy is what there is to be done.
func (e *opError) remedy() string {
	switch {
	case e.why != "":
		return e.why
	case errors.Is(e.err, ErrWrongThread):
		if _, ok := e.who.(*Tasklet); ok {
			return "only its own goroutine may use it; send a tasklet there word with Channel.Post"
		}
		return "only its own goroutine may use it; from elsewhere there are Post and Close"
	case errors.Is(e.err, ErrCurrent):
		return "use ScheduleRemove"
	case errors.Is(e.err, ErrBlockTrap):
		return "SetBlockTrap(false) allows it"
	case errors.Is(e.err, ErrSwitchTrap):
		return "SwitchTrap(-1) takes back one"
	}
	return ""
}

func (e *opError) Unwrap() error { return e.err }

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

// Schedule lets the others in the ring go first: the current tasklet is the last
// then. What is thrown at the tasklet meanwhile, it panics with, so that the
// tasklet ends with that error; see Throw.
func Schedule() { must(schedule()) }

func schedule() error {
	s := currentScheduler()
	me := s.head
	s.poll()
	if s.n == 1 && (s.innermost == nil || !s.innermost.exhausted()) {
		if s.innermost != nil {
			s.innermost.left-- // alone, it is not to go on for ever in RunSteps
		}
		return s.resumed(me, nil)
	}
	if s.trap > 0 || me.ending {
		return s.refusal("Schedule", me)
	}
	s.head = me.next
	return s.switchAway(me)
}

// ScheduleRemove takes the current tasklet out of the ring. It goes on when
// somebody inserts it. See Schedule for what is thrown at it.
func ScheduleRemove() {
	s := currentScheduler()
	me := s.head
	s.poll()
	if s.n == 1 && !me.ending && !s.hasSuccessor(me) {
		must(s.deadlock(&Wait{Tasklet: me, On: "being inserted"}))
	}
	must(s.refusal("ScheduleRemove", me))
	s.pause(me)
	must(s.switchAway(me))
}

// Current returns the running tasklet.
func Current() *Tasklet { return currentScheduler().head }

// Main returns the tasklet of the root: the code that nobody made a tasklet.
func Main() *Tasklet { return currentScheduler().main }

// RunCount returns how many tasklets are in the ring, the current one included.
func RunCount() int { return currentScheduler().n }

// SwitchTrap changes the depth of the switch trap by delta and returns what it was.
// While it is above 0, an operation that would switch to another tasklet returns
// ErrSwitchTrap and changes nothing, and so does one that would wait for something
// from outside, which may be another tasklet's turn. One that finds nobody to switch
// to is allowed, or is a deadlock.
func SwitchTrap(delta int) (previous int) {
	s := currentScheduler()
	previous = s.trap
	s.trap += delta
	return previous
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

// usable says why an operation on t is refused, if so. Whose it is comes first:
// nothing else of another thread's tasklet may be read.
func (t *Tasklet) usable(op string) (*scheduler, error) {
	switch {
	case t == nil || t.s == nil || t.s.rootEnded():
		return nil, fail(op, t, ErrDead)
	case !t.s.isCurrent():
		return nil, fail(op, t, ErrWrongThread)
	case t.dead:
		return nil, fail(op, t, ErrDead)
	}
	return t.s, nil
}

// notBlocked is usable for what is not to be done to a tasklet that waits.
func (t *Tasklet) notBlocked(op string) (*scheduler, error) {
	s, err := t.usable(op)
	if err == nil && t.blockedIn != nil {
		err = &opError{op: op, who: t, err: ErrBlocked, from: s.head, why: t.blockedIn.waits().what() + ", and Throw would end that"}
	}
	return s, err
}

// Insert puts the tasklet at the end of the run ring, if it is not in it.
func (t *Tasklet) Insert() error {
	s, err := t.notBlocked("Insert")
	if err == nil && !t.inRing {
		s.add(t)
	}
	return err
}

// Remove takes the tasklet out of the run ring: it is paused then.
func (t *Tasklet) Remove() error {
	s, err := t.notBlocked("Remove")
	if err == nil && t == s.head {
		err = fail("Remove", t, ErrCurrent)
	}
	if err == nil && t.inRing {
		s.pause(t)
	}
	return err
}

// Run inserts the tasklet if needed and switches to it at its place in the ring:
// those after it run before the caller does.
func (t *Tasklet) Run() error { return t.switchTo("Run", false) }

// Switch is Run, but the caller leaves the ring: it is paused.
func (t *Tasklet) Switch() error { return t.switchTo("Switch", true) }

func (t *Tasklet) switchTo(op string, pause bool) error {
	s, err := t.notBlocked(op)
	if err != nil {
		return err
	}
	me := s.head
	if t == me {
		return nil
	}
	if err := s.refusal(op, t); err != nil {
		return err
	}
	s.makeRunnable(t)
	if pause {
		s.pause(me)
	}
	s.head = t
	return s.switchAway(me)
}

// Kill throws ErrExit at the tasklet; see Throw. It returns nil when the tasklet is
// dead already.
func (t *Tasklet) Kill() error { return t.throw("Kill", ErrExit, false) }

// Throw ends the tasklet's wait with err, wherever that is, and switches to it: the
// operation that it waits in returns err, or panics with it, if it has no error
// result (Schedule). An error that the tasklet does not handle is its end, and
// comes out of the innermost Run, or at main; ErrExit (nil stands for it) goes
// nowhere. A tasklet that never ran does not begin.
//
// If what the tasklet ends with comes to the caller, it comes as it is, without an
// *Error around it: the caller knows whose it is. Throw at the current tasklet returns
// err at once.
func (t *Tasklet) Throw(err error) error { return t.throw("Throw", err, false) }

// KillLater is ThrowLater with ErrExit.
func (t *Tasklet) KillLater() error { return t.throw("KillLater", ErrExit, true) }

// ThrowLater is Throw, but that the caller goes on: the tasklet gets the error when
// its turn in the ring comes. Of several it gets one each time that it goes on, in
// order, and does not wait until it had them all. Those that it ends without are
// joined to what it ends with. On the current tasklet it is Throw: the error is
// returned at once.
func (t *Tasklet) ThrowLater(err error) error { return t.throw("ThrowLater", err, true) }

func (t *Tasklet) throw(op string, err error, later bool) error {
	if err == nil {
		err = ErrExit
	}
	s, e := t.usable(op)
	if e != nil {
		if t != nil && t.s != nil && errors.Is(e, ErrDead) && exits(err) {
			return nil
		}
		return e
	}
	me := s.head
	if t == me {
		return err
	}
	if later {
		s.makeRunnable(t)
		t.pending = append(t.pending, pendingError{err: err})
		return nil
	}
	if e := s.refusal(op, t); e != nil {
		return e
	}
	s.makeRunnable(t)
	t.pendFirst(pendingError{err: err})
	s.head = t
	err = s.switchAway(me)
	if e, ok := err.(*Error); ok && e.ID == t.id {
		return e.Err
	}
	return err
}
