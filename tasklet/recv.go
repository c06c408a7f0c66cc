package tasklet

import (
	"context"
)

// Recv receives from a Go channel. ok is false if the channel is closed and empty. If an
// error is thrown at the tasklet before there is a value, nothing is received; a value that
// is received at the same moment comes with the error.
func Recv[T any](ch <-chan T) (v T, ok bool, err error) {
	return RecvContext(context.Background(), ch)
}

// RecvContext is Recv, except that it returns the context's cause, and receives nothing, when
// the context is done.
func RecvContext[T any](ctx context.Context, ch <-chan T) (v T, ok bool, err error) {
	if ch == nil {
		return v, false, fail("Recv", currentScheduler().head, errNilChannel)
	}
	var w watch
	if err := w.begin(ctx, "Recv", currentScheduler().head); err != nil {
		return v, false, err
	}
	defer w.end()
	select {
	case v, ok = <-ch:
		return v, ok, nil
	default:
	}
	type result struct {
		v         T
		ok, taken bool
	}
	var done chan result
	gone, leave := context.WithCancel(context.Background())
	defer leave()
	err = waitExternal("Recv", func(ready func()) {
		done = make(chan result, 1)
		go func() {
			select {
			case v, ok := <-ch:
				done <- result{v, ok, true}
				ready()
			case <-gone.Done():
				done <- result{}
			}
		}()
	})
	if done == nil {
		return v, false, err
	}
	leave()
	r := <-done // at once: the goroutine has received, or sees that it is not to
	if r.taken && w.end() {
		err = nil // the context was done at the same moment: the value counts
	}
	return r.v, r.ok, err
}
