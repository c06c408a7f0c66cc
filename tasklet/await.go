package tasklet

import (
	"context"
	"errors"
	"runtime"

	"github.com/go-greenlet/greenlet"
)

var (
	errNoContext  = errors.New("the context is nil; use context.Background()")
	errNoFunction = errors.New("the function is nil")
	errNilChannel = errors.New("the channel is nil: nothing can ever be received from it")
)

// An externalWait blocks a tasklet until another goroutine or the clock ends the wait.
type externalWait struct {
	t          *Tasklet
	what       string
	holdsClock bool // a virtual clock stands still meanwhile
}

func (a *externalWait) cancel() {
	a.t.s.awaited--
	if a.holdsClock {
		a.t.s.clockHolds--
	}
	a.t.s.unpark(a.t)
}

func (a *externalWait) waits() Wait { return Wait{Tasklet: a.t, On: a.what} }

// waitExternal blocks the current tasklet until ready is called, which any goroutine may do,
// once. begin is called before anything is changed, so it may panic.
func waitExternal(what string, begin func(ready func())) error {
	s := currentScheduler()
	me := s.head
	if me.blockTrap {
		return fail(what, me, ErrBlockTrap)
	}
	if err := s.refusal(what, me); err != nil {
		return err
	}
	a := &externalWait{me, what, what == "Await"}
	begin(func() {
		s.submit(func() {
			if me.blockedIn == a { // else an error has ended the wait
				s.makeRunnable(me)
			}
		})
	})
	s.park(me, a)
	s.awaited++
	if a.holdsClock {
		s.clockHolds++
	}
	return s.switchAway(me)
}

// Await calls f on a goroutine of its own and returns f's results. Only the calling tasklet
// waits; if no other can run, the root's goroutine sleeps. If f panics, Await panics with a
// *greenlet.PanicError; if f calls runtime.Goexit, so does Await.
//
// If an error is thrown at the tasklet meanwhile, Await returns that error at once, and f's
// results are lost.
func Await[T any](f func() (T, error)) (v T, err error) {
	if f == nil {
		return v, fail("Await", currentScheduler().head, errNoFunction)
	}
	return AwaitContext(context.Background(), func(context.Context) (T, error) { return f() })
}

// AwaitContext is Await with a context. When ctx is done, AwaitContext returns its cause at
// once, and f's results are lost. The context that f gets is derived from ctx, and is done
// when AwaitContext has returned for any reason.
func AwaitContext[T any](ctx context.Context, f func(context.Context) (T, error)) (v T, err error) {
	if f == nil {
		return v, fail("Await", currentScheduler().head, errNoFunction)
	}
	var w watch
	if err := w.begin(ctx, "Await", currentScheduler().head); err != nil {
		return v, err
	}
	defer w.end()
	inner, cancel := context.WithCancel(ctx)
	defer cancel()
	type result struct {
		v        T
		err      error
		panicked *greenlet.PanicError
		returned bool
	}
	done := make(chan result, 1)
	me := currentScheduler().head
	err = waitExternal("Await", func(ready func()) {
		go func() {
			var r result
			defer func() {
				switch p := recover().(type) {
				case nil:
				case *greenlet.PanicError: // of a greenlet; it has the stack
					r.panicked = p
				default:
					r.panicked = me.panicked(p)
				}
				done <- r
				ready()
			}()
			r.v, r.err = f(inner)
			r.returned = true
		}()
	})
	if err != nil {
		return v, err
	}
	r := <-done
	switch {
	case r.panicked != nil:
		panic(r.panicked)
	case !r.returned:
		runtime.Goexit()
	case ctx.Err() != nil: // f may have returned because of that
		return v, context.Cause(ctx)
	}
	return r.v, r.err
}
