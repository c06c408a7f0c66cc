package greenlet

import (
	"errors"
	"fmt"
	"strings"
)

// The errors that a program can look for with errors.Is. The errors that the functions return
// wrap them and add the operation, both greenlets, and their threads or goroutines.
var (
	// ErrExit ends a greenlet in an expected way (Python's GreenletExit). A body
	// that returns it, or an error that wraps it and no other one, has not failed: its parent
	// gets the error as a value, with a nil error. If another error is joined with it,
	// that is a failure. Kill and Throw(nil) throw ErrExit.
	ErrExit = errors.New("greenlet: exit")

	// ErrWrongThread: the target belongs to another goroutine, or runs on another one, or is
	// bound to the thread of another one. (The name is from versions in which each root was locked
	// to its thread.)
	ErrWrongThread = errors.New("it belongs to another goroutine")

	// ErrThreadExited: the goroutine or thread of the target has ended, or the Run that it
	// belonged to has returned.
	ErrThreadExited = errors.New("its goroutine, its thread or its Run has ended")

	// ErrCyclicParent: the new parent is the greenlet itself or descends from it.
	ErrCyclicParent = errors.New("cyclic parent chain")

	// ErrRootParent: a root has no parent and cannot be given one.
	ErrRootParent = errors.New("cannot set the parent of a root")

	// ErrNoRun: the greenlet was made by New(nil), or the iterator by Pull(nil), and has
	// nothing to run.
	ErrNoRun = errors.New("the greenlet has no run function")
)

var (
	errNil         = errors.New("the greenlet is nil or was not made by New")
	errNilParent   = errors.New("the parent is nil")
	errNilContext  = errors.New("the context is nil")
	errInTree      = errors.New("Run inside a tree: this goroutine already is a root or a greenlet")
	errKillRoot    = errors.New("a root ends with its goroutine or its Run, not by Kill")
	errLivesOn     = errors.New("it answered ErrExit by going on and lives")
	errGoexit      = errors.New("it called runtime.Goexit")
	errStackSize   = fmt.Errorf("the stack size must be from 0 (the default) to %d bytes", int(maxStackSize))
	errInit        = errors.New("a greenlet cannot start before the program's packages are initialised; start it from main")
	errBusy        = errors.New("called while the coroutine runs or waits elsewhere than in its yield")
	errAwaited     = errors.New("an earlier next or Resume still waits for the coroutine")
	errNobody      = errors.New("nobody waits for what the coroutine yields: the next or Resume that had let it go on has ended")
	errInterrupted = errors.New("somebody else switched to the caller before the coroutine yielded")
	errOvertaken   = errors.New("somebody else switched to the caller before it was done")
	errNotYours    = errors.New("it waits in a yield and goes on by its own next or Resume only")
)

// opError is the type of the errors that operations return; fail makes it.
type opError struct {
	op      string // the operation, such as "Switch"
	err     error  // why it was refused
	target  string // String() of its greenlet at the time of the error; "": none
	current string // the same of the calling goroutine's greenlet; "": left out
	detail  string // more about err; "": nothing
}

func (e *opError) Error() string {
	var b strings.Builder
	b.WriteString("greenlet: ")
	b.WriteString(e.op)
	if e.target != "" {
		fmt.Fprintf(&b, " on %s", e.target)
	}
	if e.current != "" {
		fmt.Fprintf(&b, " from %s", e.current)
	}
	fmt.Fprintf(&b, ": %v", e.err)
	if e.detail != "" {
		fmt.Fprintf(&b, "; %s", e.detail)
	}
	return b.String()
}

func (e *opError) Unwrap() error { return e.err }

// An unsent wraps the error of a Switch or Throw whose message was refused. So layer.Refused can
// tell it from an error that another greenlet has passed to the caller.
type unsent struct{ error }

func (u unsent) Unwrap() error { return u.error }

// fail makes the error of operation op on g, which may be nil, called by the calling goroutine.
// detail, if not "", says more about err.
func fail(op string, g *Greenlet, err error, detail string) error {
	e := &opError{op: op, err: err, detail: detail, current: "a goroutine without greenlets"}
	if g != nil && g.c != nil {
		e.target = g.String()
	}
	if t := currentTree(); t != nil {
		e.current = t.current.String()
	}
	return e
}

// PanicError is a panic on its way up the tree. When a body panics, the Switch in which its
// parent waits panics with a *PanicError; passing through further greenlets does not wrap it
// again.
//
// ID, Name and Body tell which greenlet has panicked. Body is the function that was given to
// New, Pull or NewCoroutine and where it begins, as "main.walk at town.go:88"; "" if there is
// none. For a tasklet of package tasklet all three are the tasklet's.
type PanicError struct {
	Value any    // the argument of panic
	Stack []byte // the stack of the greenlet that panicked, from runtime/debug.Stack
	ID    uint64 // the greenlet's ID; 0: unknown
	Name  string // the greenlet's name; "": it has none
	Body  string
}

func (e *PanicError) Error() string {
	if e.ID == 0 {
		return fmt.Sprintf("greenlet: panic: %v\n\n%s", e.Value, e.Stack)
	}
	by := nameAndID(e.Name, e.ID)
	if e.Body != "" {
		by += " (" + e.Body + ")"
	}
	return fmt.Sprintf("greenlet: panic in %s: %v\n\n%s", by, e.Value, e.Stack)
}

// Unwrap returns Value when that is an error.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}
