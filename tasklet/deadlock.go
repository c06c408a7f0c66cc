package tasklet

import (
	"fmt"
	"slices"
	"strings"

	"github.com/go-greenlet/greenlet/internal/place"
)

// A DeadlockError says that a tasklet would wait for ever, since nobody is left who
// could run, or that the last one that could has ended.
type DeadlockError struct {
	Waits []Wait // who waits, the longest waiting first; the one that would, last
}

// A Wait is what one tasklet waits for.
type Wait struct {
	Tasklet *Tasklet
	On      string // the channel's name, or what else it waits for
	Send    bool   // it sends; else it receives
	Since   string // the place in the program, as file:line; "" where Error does not show it
	channel bool
}

// shown is how many waits are worth the time and the text: the first and the last.
const shown = 20

func (w Wait) String() string {
	text := w.Tasklet.label() + " " + w.what()
	if w.Since != "" {
		text += " at " + w.Since
	}
	return text
}

func (w Wait) what() string {
	switch {
	case !w.channel:
		return "waits for " + w.On
	case w.Send:
		return "sends to " + w.On
	}
	return "receives from " + w.On
}

func (e *DeadlockError) Error() string {
	var b strings.Builder
	b.WriteString("tasklet: deadlock: nobody can run")
	for i, w := range e.Waits {
		switch {
		case isShown(i, len(e.Waits)):
			b.WriteString("\n\t" + w.String())
		case i == shown-1:
			fmt.Fprintf(&b, "\n\tand %d more", len(e.Waits)-shown)
		}
	}
	if slices.ContainsFunc(e.Waits, func(w Wait) bool { return w.channel && !w.Send }) {
		b.WriteString("\n\tIf another goroutine is to send something, with Post, make the channel WithPosts.")
	}
	return b.String()
}

func isShown(i, of int) bool { return i < shown-1 || i == of-1 }

// Waits says who is blocked, and on what, the longest waiting first: what a
// DeadlockError says, for when there is none. After a Run that has returned nil it tells
// whom nobody will wake: Run returns when nobody can run, be it that all have ended or
// that they wait for each other.
func Waits() []Wait {
	s := currentScheduler()
	s.poll()
	return s.waits(nil)
}

// deadlock reports on those that are blocked and on the one that would be, if any.
func (s *scheduler) deadlock(would *Wait) *DeadlockError { return &DeadlockError{s.waits(would)} }

func (s *scheduler) waits(would *Wait) (waits []Wait) {
	for t := s.blocked; t != nil; t = t.next {
		waits = append(waits, t.blockedIn.waits())
	}
	slices.Reverse(waits)
	if would != nil {
		waits = append(waits, *would)
	}
	for i := range waits {
		if w := &waits[i]; !isShown(i, len(waits)) {
			continue
		} else if would != nil && i == len(waits)-1 {
			w.Since = place.Caller()
		} else {
			w.Since = place.Of(w.Tasklet.g.Stack())
		}
	}
	return waits
}
