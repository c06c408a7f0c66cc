package tasklet

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"time"
	"weak"

	"github.com/go-greenlet/greenlet"
)

var (
	errNoContext  = errors.New("the context is nil; use context.Background()")
	errNoFunction = errors.New("the function is nil")
	errNilChannel = errors.New("the channel is nil: nothing can ever be received from it")
)

// An awaiting is a tasklet that waits for another goroutine.
type externalWait struct {
	t          *Tasklet
	what       string
	holdsClock bool // what it waits for takes no time on a virtual clock
}

func (a *externalWait) cancel() {
	a.t.s.awaited--
	if a.holdsClock {
		a.t.s.clockHolds--
	}
	a.t.s.unpark(a.t)
}

func (a *externalWait) waits() Wait { return Wait{Tasklet: a.t, On: a.what} }

// waitExternal blocks the current tasklet until ready, which may be called once on any
// goroutine. begin comes before anything is touched: it may call what panics.
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
			if me.blockedIn == a { // else it was thrown out of this
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

// A watch has the operation in which a tasklet is about to block return the context's
// cause when the context is done. What it tells is for one that is blocked, so nothing
// may be collected between its beginning and the block.
type watch struct {
	t          *Tasklet
	unregister func() bool
	over       bool
	cancelled  bool
}

// begin begins it. end is to be called in any case.
func (w *watch) begin(ctx context.Context, op string, who fmt.Stringer) error {
	s := currentScheduler()
	s.poll()
	switch {
	case ctx == nil:
		return fail(op, who, errNoContext)
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case ctx.Done() == nil:
		return nil
	}
	w.t = s.head
	w.t.watched = true
	w.unregister = context.AfterFunc(ctx, func() {
		s.submit(func() {
			if !w.over && w.t.blockedIn != nil { // else it has what it waited for
				w.cancelled = true
				s.makeRunnable(w.t)
				w.t.pendFirst(pendingError{err: context.Cause(ctx), from: w})
			}
		})
	})
	return nil
}

// end ends it, and says whether the context has ended the operation.
func (w *watch) end() bool {
	if w.t == nil || w.over {
		return w.cancelled
	}
	w.over = true
	w.t.watched = false
	w.unregister()
	// Something else can have come first: the context ends nothing any more.
	for i, m := range w.t.pending {
		if m.from == w {
			w.t.pending = slices.Delete(w.t.pending, i, i+1)
			w.cancelled = false
			break
		}
	}
	if len(w.t.pending) == 0 {
		w.t.pending = nil
	}
	return w.cancelled
}

// Await calls f on a goroutine of its own and returns what that returns. Only the
// calling tasklet waits; if there is no other that could run, the goroutine sleeps. A
// panic of f goes on in the tasklet, as a *greenlet.PanicError, and so does a
// runtime.Goexit.
//
// If an error is thrown at the tasklet meanwhile, Await returns that, and f's
// results are lost.
func Await[T any](f func() (T, error)) (v T, err error) {
	if f == nil {
		return v, fail("Await", currentScheduler().head, errNoFunction)
	}
	return AwaitContext(context.Background(), func(context.Context) (T, error) { return f() })
}

// AwaitContext is Await, but that it returns the context's cause as soon as the
// context is done, and f's results are lost then. f's context is done when
// AwaitContext has returned, however that was.
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
				case *greenlet.PanicError: // on its way already
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
