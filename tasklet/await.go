package tasklet

import (
	"context"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-greenlet/greenlet"
)

// outside is what a scheduler hears from other goroutines.
type outside struct {
	awaited int // tasklets that wait for something from outside

	any  atomic.Bool // in inbox: looked at without the lock
	mu   sync.Mutex
	told []func()
	news chan struct{} // wakes the thread, if it sleeps
}

// tell has f called on the scheduler's thread. Any goroutine may call it.
func (o *outside) tell(f func()) {
	o.mu.Lock()
	o.told = append(o.told, f)
	o.any.Store(true)
	o.mu.Unlock()
	select {
	case o.news <- struct{}{}:
	default: // it is to wake already
	}
}

// collect calls what was told, in order.
func (o *outside) collect() {
	if o.any.Load() {
		o.hear()
	}
}

func (o *outside) hear() {
	o.mu.Lock()
	told := o.told
	o.told = nil
	o.any.Store(false)
	o.mu.Unlock()
	for _, f := range told {
		f()
	}
}

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
// goroutine.
func wait(what string, begin func(ready func())) error {
	s := here()
	me := s.head
	s.collect()
	switch {
	case me.blockTrap:
		return &opError{what, me, ErrBlockTrap}
	case s.trap > 0:
		return &opError{what, me, ErrSwitchTrap}
	}
	a := &awaiting{me, what}
	s.park(me, a)
	s.awaited++
	begin(func() {
		s.tell(func() {
			if me.queued == a { // else it was thrown out of this
				a.unlink()
				s.add(me)
			}
		})
	})
	return s.leave(me)
}

// Await calls f on a goroutine of its own and returns what that returns. Only the
// calling tasklet waits; if there is no other that could run, the thread sleeps. A
// panic of f goes on in the tasklet, as a *greenlet.PanicError.
//
// If an error is thrown at the tasklet meanwhile, Await returns that, and f's
// results are lost.
func Await[T any](f func() (T, error)) (T, error) {
	return AwaitContext(context.Background(), func(context.Context) (T, error) { return f() })
}

// AwaitContext is Await, but that it returns the context's cause as soon as the
// context is done, and f's results are lost then.
func AwaitContext[T any](ctx context.Context, f func(context.Context) (T, error)) (v T, err error) {
	type result struct {
		v   T
		err error
	}
	done := make(chan result, 1)
	thrown := wait("Await", func(ready func()) {
		once := sync.OnceFunc(ready)
		stop := context.AfterFunc(ctx, once)
		go func() {
			var r result
			defer func() {
				if p := recover(); p != nil {
					r.err = &greenlet.PanicError{Value: p, Stack: debug.Stack()}
				}
				done <- r
				stop()
				once()
			}()
			r.v, r.err = f(ctx)
		}()
	})
	if thrown != nil {
		return v, thrown
	}
	select {
	case r := <-done:
		if p, ok := r.err.(*greenlet.PanicError); ok {
			panic(p)
		}
		return r.v, r.err
	default:
		return v, context.Cause(ctx)
	}
}

// Sleep pauses the calling tasklet, and nobody else, for d. It returns early with
// the error that is thrown at the tasklet.
func Sleep(d time.Duration) error {
	var timer *time.Timer
	err := wait("Sleep", func(ready func()) { timer = time.AfterFunc(d, ready) })
	if timer != nil {
		timer.Stop()
	}
	return err
}

// After returns a channel on which the time is sent, once, when d is over.
func After(d time.Duration) *Channel[time.Time] {
	c := NewChannel[time.Time](WithName("After"), WithPosts())
	time.AfterFunc(d, func() { c.Post(time.Now()) })
	return c
}

// Recv receives from a channel of Go. ok is false when it is closed and empty.
// Nothing is taken from it if an error is thrown at the tasklet before there was
// something.
func Recv[T any](ch <-chan T) (v T, ok bool, err error) {
	select {
	case v, ok = <-ch:
		return v, ok, nil
	default:
	}
	type got struct {
		v  T
		ok bool
	}
	done := make(chan got)
	gone := make(chan struct{})
	var r got
	err = wait("Recv", func(ready func()) {
		go func() {
			select {
			case v, ok := <-ch:
				ready()
				select {
				case done <- got{v, ok}:
				case <-gone: // too late: it was taken
				}
			case <-gone:
			}
		}()
	})
	if err != nil {
		close(gone)
		return v, false, err
	}
	r = <-done
	return r.v, r.ok, nil
}
