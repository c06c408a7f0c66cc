package greenlet

import (
	"errors"
	"runtime"
	"runtime/debug"

	"github.com/go-greenlet/greenlet/internal/layer"
	"github.com/go-greenlet/greenlet/internal/leaf"
	"github.com/go-greenlet/greenlet/internal/place"
)

// This file is the messages that travel with a switch, and how the end of a body becomes one.

// A message is what travels with a switch.
type message struct {
	kind   kind
	value  any
	err    error // an error, or the *PanicError of a panic
	origin *Greenlet
}

type kind uint8

const (
	kindValue  kind = iota // a Switch, or a body's result
	kindError              // a Throw, or a body's error
	kindPanic              // a body panicked
	kindGoexit             // a body called runtime.Goexit
	kindProbe              // has a suspended greenlet call something; see visit
)

// open turns a message into what a Switch does with it.
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

// fail replaces the message by an error. What it was, if an error, stays wrapped;
// a panic or Goexit is not to be lost and stays what it is.
func (m *message) fail(err error) {
	switch m.kind {
	case kindValue:
		m.kind, m.value, m.err = kindError, nil, err
	case kindError:
		m.err = errors.Join(err, m.err)
	}
}

// panicMessage makes of a recovered value what goes up to the parent. It is
// called while the stack that panicked still stands.
func (c *core) panicMessage(r any) message {
	switch r := r.(type) {
	case *PanicError: // on its way up already
		return message{kind: kindPanic, err: r}
	case thrown: // an error in an operation that has no error result
		return errorMessage(r.Err)
	}
	return message{kind: kindPanic, err: &PanicError{
		Value: r, Stack: debug.Stack(), ID: c.id, Name: c.nameText(), Body: place.Body(c.body),
	}}
}

// isExit says whether err is an expected end: ErrExit, and nothing else besides. In
// errors.Join(ErrExit, f.Close()) there may be something that is not to be lost.
func isExit(err error) bool { return leaf.All(err, ErrExit) }

// errorMessage is a death by err. One by ErrExit has not failed.
func errorMessage(err error) message {
	if isExit(err) {
		return message{kind: kindValue, value: err}
	}
	return message{kind: kindError, err: err}
}

// thrown carries an error through MustSwitch, and next and a yield of an iterator.
type thrown = layer.Thrown
