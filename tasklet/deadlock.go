package tasklet

import (
	"fmt"
	"slices"
	"strings"

	"github.com/go-greenlet/greenlet/internal/place"
)

// A DeadlockError is the error of an operation that would block for ever, because no other
// tasklet can run and nothing from outside is awaited. Main gets it, too, when it is blocked
// and the last tasklet that could run has ended.
type DeadlockError struct {
	Waits []Wait // the blocked tasklets in the order in which they were blocked, and the one that would be
}

// A Wait says what one tasklet waits for.
type Wait struct {
	Tasklet *Tasklet
	On      string // the channel's name, or what else it waits for
	Send    bool   // it sends; else it receives
	Since   string // the place in the program, as file:line; "" for those that Error leaves out
	channel bool
}

// shown is how many waits a report shows. To find the place of one takes time.
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

// Waits returns what the blocked tasklets wait for, in the order in which they were blocked.
// After a Run that has returned nil it lists the tasklets that will wait for ever unless main
// wakes them: Run returns when no tasklet can run, whether all have ended or some wait for
// each other.
func Waits() []Wait {
	s := currentScheduler()
	s.poll()
	return s.waits(nil)
}

// deadlock makes the error from the blocked tasklets and the one that would block, if any.
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
