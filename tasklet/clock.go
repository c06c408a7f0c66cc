package tasklet

import (
	"container/heap"
	"errors"
	"fmt"
	"time"

	"github.com/go-greenlet/greenlet"
)

var errRealTime = errors.New("time is real here; WithClock makes it virtual")

// A clock is a root's virtual time.
type clock struct {
	now    time.Time
	timers timers
	made   uint64
}

// A timer is something to do at a time.
type timer struct {
	at  time.Time
	n   uint64 // of several for the same time the first that was made comes first
	f   func() // nil: it was stopped
	pos int
}

type timers []*timer

func (t timers) Len() int { return len(t) }
func (t timers) Less(i, j int) bool {
	if c := t[i].at.Compare(t[j].at); c != 0 {
		return c < 0
	}
	return t[i].n < t[j].n
}
func (t timers) Swap(i, j int) {
	t[i], t[j] = t[j], t[i]
	t[i].pos, t[j].pos = i, j
}
func (t *timers) Push(x any) {
	x.(*timer).pos = len(*t)
	*t = append(*t, x.(*timer))
}
func (t *timers) Pop() any {
	last := (*t)[len(*t)-1]
	(*t)[len(*t)-1] = nil
	*t = (*t)[:len(*t)-1]
	last.pos = -1
	return last
}

// after has f called when d is over, and returns what prevents that.
func (c *clock) after(d time.Duration, f func()) (stop func()) {
	c.made++
	t := &timer{at: c.now.Add(max(d, 0)), n: c.made, f: f}
	heap.Push(&c.timers, t)
	return func() {
		if t.pos >= 0 {
			heap.Remove(&c.timers, t.pos)
		}
	}
}

// advance makes it `to`, and does what was to be done until then.
func (c *clock) advance(to time.Time) {
	for len(c.timers) > 0 && !c.timers[0].at.After(to) {
		t := heap.Pop(&c.timers).(*timer)
		c.now = t.at
		t.f()
	}
	c.now = to
}

// advanceToNext makes it the time for which there is something to do next, if there is anything.
func (c *clock) advanceToNext() bool {
	if len(c.timers) == 0 {
		return false
	}
	c.advance(c.timers[0].at)
	return true
}

func (s *scheduler) now() time.Time {
	if s.clock != nil {
		return s.clock.now
	}
	return time.Now()
}

// after has f called when d is over, and returns what prevents that. f is called on any
// goroutine.
func (s *scheduler) after(d time.Duration, f func()) (stop func()) {
	if s.clock != nil {
		return s.clock.after(d, f)
	}
	t := time.AfterFunc(d, f)
	return func() { t.Stop() }
}

// WithClock makes the calling goroutine a root, as greenlet.Run does, and calls f as its
// main tasklet, with a virtual clock that begins at start. Now, Sleep, After and Timeout
// go by that clock, for all tasklets of the root. No time passes while a tasklet runs. When
// nobody can run and somebody waits for a time, it is that time at once, and those whose
// time it is go on in the order in which they began to wait. So a test or a simulation of
// hours takes no longer than its turns, and is the same every time.
//
// For what is outside it does not wait, except for the function of an Await, which takes no
// time on the clock: who receives from a channel of Go, or what is posted, may find that
// hours have passed. Deadlines of contexts are real time, and so is RunFor's budget.
//
// WithClock returns what greenlet.Run does: f's error, and those of tasklets that were
// killed at the end. Inside a tree it is an error.
func WithClock(start time.Time, f func() error) error {
	if f == nil {
		return fmt.Errorf("tasklet: WithClock: %w", errNoFunction)
	}
	return greenlet.Run(func(*greenlet.Greenlet) error {
		currentScheduler().clock = &clock{now: start}
		return f()
	})
}

// Now returns the time: that of the virtual clock in WithClock, else time.Now().
func Now() time.Time { return currentScheduler().now() }

// Advance lets d pass on the virtual clock: those whose time has come go to the end of the
// ring, in the order of their times, and the caller goes on. So a game that can be paused
// says in each frame how much of its time has passed. To have them run in between, at their
// times, use Sleep. An error says that time is real here, or that d is negative.
func Advance(d time.Duration) error {
	s := currentScheduler()
	switch {
	case s.clock == nil:
		return fail("Advance", s.head, errRealTime)
	case d < 0:
		return fail("Advance", s.head, fmt.Errorf("time does not go back (%v)", d))
	}
	s.clock.advance(s.clock.now.Add(d))
	s.poll()
	return nil
}
