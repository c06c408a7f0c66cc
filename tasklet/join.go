package tasklet

import (
	"errors"
	"fmt"

	"github.com/go-greenlet/greenlet/internal/place"
)

var errGoexit = errors.New("its function has called runtime.Goexit")

// Join waits until the tasklet has ended, and returns nil, however it has ended: its error
// comes out of Run. See Spawn for tasklets with a result. An error of Join means that it did
// not wait, or that an error was thrown at the caller.
func (t *Tasklet) Join() error {
	s, err := t.usable("Join")
	switch {
	case err != nil && t != nil && t.s != nil && errors.Is(err, ErrDead):
		return nil
	case err != nil:
		return err
	case t == s.head:
		return &opError{op: "Join", who: t, err: ErrCurrent, why: "it would wait for itself"}
	}
	s.poll()
	if t.ended == nil {
		t.ended = &Channel[struct{}]{s: s, internal: true, name: "the end of " + t.label()}
	}
	return t.ended.await("Join")
}

// A Task is a tasklet whose function has results. Make it with Spawn.
type Task[T any] struct {
	*Tasklet
	v   T
	err error
}

// Spawn is Go for a function with results, which Result returns. The function's error, or one
// that was thrown at the tasklet, is a result and does not come out of Run. A panic is both,
// so that it is not lost.
func Spawn[T any](f func() (T, error)) *Task[T] {
	task := new(Task[T])
	code := place.PC(f)
	if f == nil {
		err := fmt.Errorf("tasklet: Spawn at %s: %w", place.Caller(), errNoFunction)
		f = func() (T, error) { return task.v, err }
	}
	returned := false
	task.Tasklet = bind(func() {
		task.v, task.err = f()
		returned = true
	})
	task.code = code
	task.result = func(err error) {
		switch {
		case task.err != nil && err != nil: // thrown at it, and it has not got it
			task.err = errors.Join(task.err, err)
		case err != nil:
			task.err = err
		case !returned:
			task.err = ErrExit
		}
	}
	task.s.add(task.Tasklet)
	return task
}

// Result waits until the task has ended, and returns the results of its function. If an error
// that was thrown at the task has ended the function, Result returns that error, such as
// ErrExit after a Kill. After a panic it returns a *greenlet.PanicError. It fails as Join
// does.
func (t *Task[T]) Result() (v T, err error) {
	if err := t.Join(); err != nil {
		return v, err
	}
	if !t.dead { // its root has ended before it
		return v, ErrExit
	}
	return t.v, t.err
}
