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
	n   uint64 // the order among timers for the same time
	f   func()
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

// after has f called after d, and returns a function that prevents that.
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

// advance sets the time to `to`, and fires the timers until then in their order.
func (c *clock) advance(to time.Time) {
	for len(c.timers) > 0 && !c.timers[0].at.After(to) {
		t := heap.Pop(&c.timers).(*timer)
		c.now = t.at
		t.f()
	}
	c.now = to
}

// advanceToNext advances to the time of the next timer, and reports whether there is one.
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

// after has f called after d, on any goroutine, and returns a function that prevents that.
func (s *scheduler) after(d time.Duration, f func()) (stop func()) {
	if s.clock != nil {
		return s.clock.after(d, f)
	}
	t := time.AfterFunc(d, f)
	return func() { t.Stop() }
}

// WithClock makes the calling goroutine a root, as greenlet.Run does, and calls f as its main
// tasklet, with a virtual clock that starts at start. Now, Sleep, After and Timeout use that
// clock in all tasklets of the root. No time passes on it while a tasklet runs. When no
// tasklet can run and some wait for a time, the clock advances to the earliest of these times
// at once, and the tasklets that wait for it go on in the order in which they began to wait.
// So a test or a simulation of hours takes no longer than the code in it, and runs in the
// same order every time.
//
// The clock stands still while the function of an Await runs. It does not wait for other
// things from outside: hours may have passed on it when a value comes from a Go channel or by
// Post. Deadlines of contexts and RunFor's budget are in real time.
//
// WithClock returns what greenlet.Run returns: f's error, and those of tasklets that were
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

// Now returns the time of the virtual clock in WithClock, and time.Now() elsewhere.
func Now() time.Time { return currentScheduler().now() }

// Advance advances the virtual clock by d. The tasklets whose time has come go to the end of
// the ring in the order of their times, and the caller goes on: they run at the new time. A
// game that can be paused calls Advance in each frame with the time that has passed in the
// game. To have tasklets run at their times, use Sleep instead. Advance returns an error
// outside of WithClock, and if d is negative.
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
