package tasklet

import (
	"context"
)

// Recv receives from a channel of Go. ok is false when it is closed and empty.
// Nothing is taken from it if an error is thrown at the tasklet before there was
// something; what was taken at that very moment comes with the error.
func Recv[T any](ch <-chan T) (v T, ok bool, err error) {
	return RecvContext(context.Background(), ch)
}

// RecvContext is Recv, but that it returns the context's cause as soon as the
// context is done, with nothing taken.
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
	r := <-done // it is there, or the goroutine sees at once that it is not to come
	if r.taken && w.end() {
		err = nil // both at once: the value is not to be lost
	}
	return r.v, r.ok, err
}
