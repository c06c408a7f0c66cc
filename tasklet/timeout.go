package tasklet

import (
	"fmt"
	"slices"
	"time"
)

// Timeout calls f, and returns what f returns. If d is over before that, it ends f's wait:
// the operation of this package in which the calling tasklet waits then, or else the next
// in which it lets others run, returns an error that is ErrTimeout, as if by ThrowLater.
// f is to return it. An f that never waits is not interrupted.
//
// Where the operation has no error result, such as Schedule, it panics, and Timeout returns
// the error. Calls nest. While a tasklet is blocked in a Timeout, that is no deadlock, and
// Run waits for the end of the time.
func Timeout(d time.Duration, f func() error) (err error) {
	if f == nil {
		return fail("Timeout", currentScheduler().head, errNoFunction)
	}
	s := currentScheduler()
	t := s.head
	over := fmt.Errorf("tasklet: Timeout of %v: %w", d, ErrTimeout)
	ended, pending := false, true
	t.timeouts++
	stop := s.after(d, func() {
		s.submit(func() {
			if ended {
				return
			}
			pending = false
			t.timeouts--
			s.makeRunnable(t)
			t.pending = append(t.pending, pendingError{err: over})
		})
	})
	defer func() {
		ended = true
		stop()
		if pending {
			t.timeouts--
		}
		t.pending = slices.DeleteFunc(t.pending, func(m pendingError) bool { return m.err == over })
		if len(t.pending) == 0 {
			t.pending = nil
		}
		switch r := recover().(type) {
		case nil:
		case thrown:
			if r.error != over {
				panic(r)
			}
			err = over
		default:
			panic(r)
		}
	}()
	return f()
}
