package tasklet

import (
	"context"
	"time"
	"weak"
)

// Sleep pauses the calling tasklet, and nobody else, for d. It returns early with
// the error that is thrown at the tasklet.
func Sleep(d time.Duration) error { return SleepContext(context.Background(), d) }

// SleepContext is Sleep, but that it returns the context's cause as soon as the
// context is done.
func SleepContext(ctx context.Context, d time.Duration) error {
	var w watch
	if err := w.begin(ctx, "Sleep", currentScheduler().head); err != nil {
		return err
	}
	defer w.end()
	stop := func() {}
	defer func() { stop() }()
	return waitExternal("Sleep", func(ready func()) { stop = currentScheduler().after(d, ready) })
}

// After returns a channel on which the time is sent, once, when d is over.
func After(d time.Duration) *Channel[time.Time] {
	c := NewChannel[time.Time](WithName("After"), WithPosts())
	w := weak.Make(c) // the timer is not to keep it, and its root, when they are forgotten
	fire := func() {
		if c := w.Value(); c != nil {
			_ = c.Post(c.s.now()) // nobody waits once it is refused
		}
	}
	if v := c.s.clock; v != nil {
		v.after(d, fire)
	} else {
		time.AfterFunc(d, fire)
	}
	return c
}
