package tasklet

import (
	"context"
	"time"
	"weak"
)

// Sleep blocks the calling tasklet, and no other, for d. It returns early, with the error,
// if one is thrown at the tasklet.
func Sleep(d time.Duration) error { return SleepContext(context.Background(), d) }

// SleepContext is Sleep, except that it returns the context's cause when the context is
// done.
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

// After returns a channel on which the time is sent, once, after d.
func After(d time.Duration) *Channel[time.Time] {
	c := NewChannel[time.Time](WithName("After"), WithPosts())
	w := weak.Make(c) // so that the timer does not keep it, and its root, in memory
	fire := func() {
		if c := w.Value(); c != nil {
			_ = c.Post(c.s.now()) // refused: the root has ended, and nobody waits
		}
	}
	if v := c.s.clock; v != nil {
		v.after(d, fire)
	} else {
		time.AfterFunc(d, fire)
	}
	return c
}
