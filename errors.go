package greenlet

import (
	"errors"
	"fmt"
	"strings"
)

// The errors that tell what went wrong, for errors.Is. What the methods return
// wraps them and says more: the operation, both greenlets and their threads or goroutines.
var (
	// ErrExit ends a greenlet in an expected way (Python's GreenletExit). A body
	// that returns it, or what wraps it and nothing else, has not failed: its parent
	// gets the error as a value, with a nil error. If another error is joined with it,
	// that is a failure. Kill and Throw(nil) throw ErrExit.
	ErrExit = errors.New("greenlet: exit")

	// ErrWrongThread: the target belongs to another goroutine, or runs on another one, or is
	// bound to the thread of another one (the name is from when all were).
	ErrWrongThread = errors.New("it belongs to another goroutine")

	// ErrThreadExited: the goroutine or thread of the target is gone, or the Run that it belonged to
	// has returned.
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

// opError is what the methods return.
type opError struct {
	op      string
	err     error
	target  string // String() of the greenlets at the time of the error
	current string
	detail  string
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

// An unsent is the error of a Switch or Throw that has sent nothing. One that was sent back,
// or thrown, is not.
type unsent struct{ error }

func (u unsent) Unwrap() error { return u.error }

// fail makes the error of operation op on g, seen from the calling goroutine.
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

// PanicError is a panic on its way up the tree. When a body panics, its parent's
// pending Switch panics with a *PanicError; passing through further greenlets
// does not wrap it again.
//
// It says whose panic it was. Body is the function that was given to New, Pull or
// NewCoroutine and where it begins, as "main.walk at town.go:88"; "" where there is none.
// For one of package tasklet that is the tasklet, and its function.
type PanicError struct {
	Value any    // what panic was called with
	Stack []byte // the stack of the greenlet that panicked, from runtime/debug.Stack
	ID    uint64 // of that greenlet; 0: unknown
	Name  string
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
