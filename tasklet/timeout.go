package tasklet

import (
	"fmt"
	"slices"
	"time"
)

// Timeout calls f and returns f's error. If d passes before f has returned, an error that
// matches ErrTimeout is thrown at the calling tasklet, as by ThrowLater: the operation that
// the tasklet waits in returns it, or else the next operation that lets others run. f should
// return that error. An f that never waits is not interrupted.
//
// An operation without an error result, such as Schedule, panics with the error, and Timeout
// recovers the panic and returns the error. Calls nest. A tasklet that is blocked inside of
// Timeout is no deadlock, and Run waits for the end of the time.
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
