package tasklet

// An Event is something that has happened or not: those that Wait wait until it has. Make
// it with NewEvent. It belongs to the root that made it; Set may be called from any
// goroutine, the other methods on that one's goroutine only.
type Event struct {
	c Channel[struct{}] // closed: it has happened
}

// NewEvent makes an event that has not happened. WithPosts says that other goroutines
// Set it.
func NewEvent(opts ...ChannelOption) *Event {
	e := new(Event)
	e.c.internal = true
	e.c.init("event", opts)
	return e
}

// String describes the event for people: its name.
func (e *Event) String() string { return e.c.String() }

// Wait returns nil when the event has happened, at once if it has already. It returns
// early with the error that is thrown at the tasklet.
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

// Set makes it happen: all that wait go to the end of the ring, the longest waiting
// first, and the caller goes on. From another goroutine it takes effect at the scheduler's
// next opportunity, after what that one has posted or set before. When it has happened
// already, or the root has ended, Set does nothing.
func (e *Event) Set() { e.c.Close() }

// Clear makes it something that has not happened. It panics with ErrWrongThread on
// another goroutine.
func (e *Event) Clear() {
	e.c.mustBeCurrent("Clear")
	e.c.Open()
}

// IsSet says whether it has happened. It panics with ErrWrongThread on another goroutine.
func (e *Event) IsSet() bool {
	e.c.mustBeCurrent("IsSet")
	return e.c.Closing()
}
