package tasklet

import (
	"errors"
	"fmt"

	"github.com/go-greenlet/greenlet"
	"github.com/go-greenlet/greenlet/internal/layer"
	"github.com/go-greenlet/greenlet/internal/leaf"
)

// What the operations' errors match, with errors.Is.
var (
	// ErrExit is what Kill throws. A tasklet that ends with it has ended as expected.
	ErrExit = greenlet.ErrExit
	// ErrDead: the tasklet has ended, by itself or with its root, or is nil or a zero value.
	ErrDead = errors.New("the tasklet has ended")
	// ErrBlocked: the tasklet is blocked, and what it waits for decides when it goes on. The
	// caller of Run is blocked in that.
	ErrBlocked = errors.New("the tasklet is blocked")
	// ErrCurrent: the operation is not possible on the current tasklet.
	ErrCurrent = errors.New("the tasklet is the current one")
	// ErrWrongThread: the tasklet or channel belongs to another root.
	ErrWrongThread = greenlet.ErrWrongThread
	// ErrBlockTrap: the operation would block, which SetBlockTrap forbids.
	ErrBlockTrap = errors.New("it would block, and a block trap is set")
	// ErrSwitchTrap: the operation would switch, which SwitchTrap forbids.
	ErrSwitchTrap = errors.New("it would switch, and a switch trap is set")
	// ErrClosed: the channel is closed.
	ErrClosed = errors.New("the channel is closed")
	// ErrStop, sent with SendError, ends the loops over All.
	ErrStop = errors.New("the sequence has ended")
)

// ErrTimeout is what Timeout ends a wait with.
var ErrTimeout = errors.New("the time is over")

// An opError says which operation on whom was refused or ended with an error.
type opError struct {
	op   string
	who  fmt.Stringer
	err  error
	from *Tasklet // the caller; nil: not known
	why  string   // the reason or a remedy; "": the usual remedy for err
}

// fail makes the error of operation op on who, called by the current tasklet.
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

// remedy says what can be done about the error.
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

// An Error is the error with which a tasklet has ended, with the tasklet's identity.
type Error struct {
	ID   uint64
	Name string // what SetName has set
	Body string // the tasklet's function and where it begins, as "main.cook at kitchen.go:12"
	Err  error
}

func (e *Error) Error() string {
	by := who(e.Name, e.ID)
	if e.Body != "" {
		by += " (" + e.Body + ")"
	}
	return fmt.Sprintf("tasklet: %s has ended with an error: %v", by, e.Err)
}

func (e *Error) Unwrap() error { return e.Err }

// exits reports whether err is ErrExit and nothing else.
func exits(err error) bool { return leaf.All(err, ErrExit) }

// must panics with err on behalf of an operation without an error result.
func must(err error) {
	if err != nil {
		panic(thrown{err})
	}
}

// thrown carries an error as a panic through code that cannot return it. If it reaches the
// end of a tasklet, the tasklet ends with the error, and not with a panic.
type thrown struct{ error }

func (t thrown) Unwrap() error { return t.error }
