package tasklet

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/go-greenlet/greenlet"
)

var (
	errNoContext  = errors.New("the context is nil; use context.Background()")
	errNoFunction = errors.New("the function is nil")
	errNilChannel = errors.New("the channel is nil: nothing can ever be received from it")
)

// An awaiting is a tasklet that waits for another goroutine.
type awaiting struct {
	t    *Tasklet
	what string
}

func (a *awaiting) unlink() {
	a.t.s.awaited--
	a.t.s.unpark(a.t)
}

func (a *awaiting) waits() Wait { return Wait{Tasklet: a.t, On: a.what} }

// wait blocks the current tasklet until ready, which may be called once on any
// goroutine. begin comes before anything is touched: it may call what panics.
func wait(what string, begin func(ready func())) error {
	s := here()
	me := s.head
	if me.blockTrap {
		return &opError{what, me, ErrBlockTrap}
	}
	if err := s.refusal(what, me); err != nil {
		return err
	}
	a := &awaiting{me, what}
	begin(func() {
		s.tell(func() {
			if me.queued == a { // else it was thrown out of this
				s.recall(me)
			}
		})
	})
	s.park(me, a)
	s.awaited++
	return s.leave(me)
}

// watch has the operation in which the current tasklet is about to block return the
// context's cause when the context is done. stop ends that, and says whether it was.
func watch(ctx context.Context, op string, who fmt.Stringer) (stop func() bool, err error) {
	s := here()
	me := s.head
	switch {
	case ctx == nil:
		return nil, &opError{op, who, errNoContext}
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case ctx.Done() == nil:
		return func() bool { return false }, nil
	}
	over, cancelled := false, false // the scheduler's thread's
	unregister := context.AfterFunc(ctx, func() {
		s.tell(func() {
			if !over && me.queued != nil { // else it has what it waited for
				cancelled = true
				s.recall(me)
				me.express(letter{err: context.Cause(ctx)})
			}
		})
	})
	return func() bool {
		over = true
		unregister()
		return cancelled
	}, nil
}

// Await calls f on a goroutine of its own and returns what that returns. Only the
// calling tasklet waits; if there is no other that could run, the thread sleeps. A
// panic of f goes on in the tasklet, as a *greenlet.PanicError, and so does a
// runtime.Goexit.
//
// If an error is thrown at the tasklet meanwhile, Await returns that, and f's
// results are lost.
func Await[T any](f func() (T, error)) (v T, err error) {
	if f == nil {
		return v, &opError{"Await", here().head, errNoFunction}
	}
	return AwaitContext(context.Background(), func(context.Context) (T, error) { return f() })
}

// AwaitContext is Await, but that it returns the context's cause as soon as the
// context is done, and f's results are lost then. f's context is done when
// AwaitContext has returned, however that was.
func AwaitContext[T any](ctx context.Context, f func(context.Context) (T, error)) (v T, err error) {
	if f == nil {
		return v, &opError{"Await", here().head, errNoFunction}
	}
	stop, err := watch(ctx, "Await", here().head)
	if err != nil {
		return v, err
	}
	defer stop()
	inner, cancel := context.WithCancel(ctx)
	defer cancel()
	type result struct {
		v        T
		err      error
		panicked *greenlet.PanicError
		returned bool
	}
	done := make(chan result, 1)
	err = wait("Await", func(ready func()) {
		go func() {
			var r result
			defer func() {
				switch p := recover().(type) {
				case nil:
				case *greenlet.PanicError: // on its way already
					r.panicked = p
				default:
					r.panicked = &greenlet.PanicError{Value: p, Stack: debug.Stack()}
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
	case ctx.Err() != nil: // f may have heard of it first
		return v, context.Cause(ctx)
	}
	return r.v, r.err
}

// Sleep pauses the calling tasklet, and nobody else, for d. It returns early with
// the error that is thrown at the tasklet.
func Sleep(d time.Duration) error { return SleepContext(context.Background(), d) }

// SleepContext is Sleep, but that it returns the context's cause as soon as the
// context is done.
func SleepContext(ctx context.Context, d time.Duration) error {
	stop, err := watch(ctx, "Sleep", here().head)
	if err != nil {
		return err
	}
	defer stop()
	var timer *time.Timer
	defer func() {
		if timer != nil {
			timer.Stop()
		}
	}()
	return wait("Sleep", func(ready func()) { timer = time.AfterFunc(d, ready) })
}

// After returns a channel on which the time is sent, once, when d is over.
func After(d time.Duration) *Channel[time.Time] {
	c := NewChannel[time.Time](WithName("After"), WithPosts())
	time.AfterFunc(d, func() { _ = c.Post(time.Now()) }) // nobody waits once it is refused
	return c
}

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
		return v, false, &opError{"Recv", here().head, errNilChannel}
	}
	stop, err := watch(ctx, "Recv", here().head)
	if err != nil {
		return v, false, err
	}
	defer stop()
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
	err = wait("Recv", func(ready func()) {
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
	if r.taken && stop() {
		err = nil // both at once: the value is not to be lost
	}
	return r.v, r.ok, err
}
