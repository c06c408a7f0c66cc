package greenlet

import (
	"errors"
	"runtime"
	"runtime/debug"

	"github.com/go-greenlet/greenlet/internal/layer"
	"github.com/go-greenlet/greenlet/internal/leaf"
	"github.com/go-greenlet/greenlet/internal/place"
)

// This file has the message that a switch passes, and how the end of a body becomes one.

// A message is what a switch passes to the greenlet that is resumed. It lies in tree.inbox,
// where the greenlet that stops writes it and the one that goes on reads it. That takes no
// lock, since one greenlet of a tree runs at a time.
type message struct {
	kind   kind
	value  any       // of kindValue and kindProbe
	err    error     // of kindError, and the *PanicError of kindPanic
	origin *Greenlet // the sender; it may be dead
}

type kind uint8

const (
	kindValue  kind = iota // a Switch, or a body's result
	kindError              // a Throw, or a body's error
	kindPanic              // a body panicked
	kindGoexit             // a body called runtime.Goexit
	kindProbe              // value is a func() for the greenlet to call before it waits again; see callOn
)

// open does with a message what Switch does: it returns the value or the error, panics, or
// calls runtime.Goexit.
func (m message) open() (any, error) {
	switch m.kind {
	case kindValue:
		return m.value, nil
	case kindPanic:
		panic(m.err)
	case kindGoexit:
		runtime.Goexit()
	}
	return nil, m.err
}

// fail replaces the message by err. If it is an error already, it becomes both, joined. A panic
// or a Goexit stays what it is, since neither may be lost.
func (m *message) fail(err error) {
	switch m.kind {
	case kindValue:
		m.kind, m.value, m.err = kindError, nil, err
	case kindError:
		m.err = errors.Join(err, m.err)
	}
}

// panicMessage returns the last message of c, whose body has panicked with r. It is called in
// a deferred function, while the frames that have panicked are still there for debug.Stack.
func (c *core) panicMessage(r any) message {
	switch r := r.(type) {
	case *PanicError: // of another greenlet, passing through this one
		return message{kind: kindPanic, err: r}
	case thrown: // an error, from an operation that has no error result
		return errorMessage(r.Err)
	}
	return message{kind: kindPanic, err: &PanicError{
		Value: r, Stack: debug.Stack(), ID: c.id, Name: c.nameText(), Body: place.Body(c.body),
	}}
}

// isExit says whether err is an expected end: ErrExit, or what wraps ErrExit and no other
// error. errors.Join(ErrExit, f.Close()) is a failure if Close has failed: its error must not
// be lost.
func isExit(err error) bool { return leaf.All(err, ErrExit) }

// errorMessage is the last message of a greenlet that has ended with err. ErrExit is no failure,
// so the parent gets it as a value.
func errorMessage(err error) message {
	if isExit(err) {
		return message{kind: kindValue, value: err}
	}
	return message{kind: kindError, err: err}
}

// thrown is the panic value that carries an error out of MustSwitch, next, stop and an
// iterator's yield, which have no result for it. panicMessage makes an error of it again.
type thrown = layer.Thrown
