package tasklet

// An Event is a flag that tasklets can wait for. It is clear at first, Set sets it, and Wait
// waits until it is set. Make it with NewEvent. It belongs to the root that made it. Any
// goroutine may call Set and String; the other methods are for the root's goroutine.
type Event struct {
	c Channel[struct{}] // closed while the event is set
}

// NewEvent makes an event that is clear. WithPosts declares that other goroutines set it.
func NewEvent(opts ...ChannelOption) *Event {
	e := new(Event)
	e.c.internal = true
	e.c.init("event", opts)
	return e
}

// String returns the event's name.
func (e *Event) String() string { return e.c.String() }

// Wait blocks until the event is set, and returns nil. It returns early, with the error, if
// one is thrown at the tasklet.
func (e *Event) Wait() error {
	if !e.c.s.isCurrent() {
		return e.c.misuse("Wait")
	}
	e.c.s.poll()
	if e.c.closing {
		return nil
	}
	return e.c.await("Wait")
}

// Set sets the event: all tasklets that wait for it go to the end of the ring, the one that
// has waited longest first, and the caller goes on. On another goroutine it takes effect like
// a Post: when the scheduler next polls, and after what that goroutine has posted. If the
// event is set already, or the root has ended, Set does nothing.
func (e *Event) Set() { e.c.Close() }

// Clear clears the event. It panics with ErrWrongThread on
// another goroutine.
func (e *Event) Clear() {
	e.c.mustBeCurrent("Clear")
	e.c.Open()
}

// IsSet reports whether the event is set. It panics with ErrWrongThread on another goroutine.
func (e *Event) IsSet() bool {
	e.c.mustBeCurrent("IsSet")
	return e.c.Closing()
}
