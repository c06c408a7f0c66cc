package tasklet

import (
	"sync"
	"sync/atomic"
)

// outside is the part of a scheduler that other goroutines use: they submit calls, and the
// scheduler makes them on its own thread when it polls.
type outside struct {
	awaited int // how many tasklets are blocked until something from outside comes

	waiting atomic.Bool // calls is not empty; read without the lock
	mu      sync.Mutex
	calls   []func()
	ended   bool
	wakeup  chan struct{} // capacity 1; wakes the thread if it sleeps in pickNext
}

// submit has f called on the scheduler's thread at its next poll. Any goroutine may call
// it. After the end of the root it does nothing.
func (o *outside) submit(f func()) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.submitLocked(f)
}

// submitLocked is submit for a caller that has locked mu.
func (o *outside) submitLocked(f func()) {
	if o.ended {
		return
	}
	o.calls = append(o.calls, f)
	o.waiting.Store(true)
	select {
	case o.wakeup <- struct{}{}:
	default: // a wakeup is there already
	}
}

// poll makes the submitted calls, in their order.
func (o *outside) poll() {
	if o.waiting.Load() {
		o.drain()
	}
}

func (o *outside) drain() {
	o.mu.Lock()
	calls := o.calls
	o.calls = nil
	o.waiting.Store(false)
	o.mu.Unlock()
	for _, f := range calls {
		f()
	}
}

// Post makes a tasklet that calls f; see layer.Layer and greenlet.Post.
func (s *scheduler) Post(f func()) { s.submit(func() { s.add(s.bind(f)) }) }

// End drops the submitted calls when the root has ended; see layer.Layer.
func (o *outside) End() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.ended, o.calls = true, nil
}
