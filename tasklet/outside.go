package tasklet

import (
	"sync"
	"sync/atomic"
)

// outside is what a scheduler hears from other goroutines.
type outside struct {
	awaited int // tasklets that wait for something from outside

	waiting atomic.Bool // something was told: looked at without the lock
	mu      sync.Mutex
	calls   []func()
	ended   bool
	wakeup  chan struct{} // wakes the thread, if it sleeps
}

// submit has f called on the scheduler's thread. Any goroutine may call it.
func (o *outside) submit(f func()) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.submitLocked(f)
}

// submitLocked is tell for who has locked mu.
func (o *outside) submitLocked(f func()) {
	if o.ended {
		return
	}
	o.calls = append(o.calls, f)
	o.waiting.Store(true)
	select {
	case o.wakeup <- struct{}{}:
	default: // it is to wake already
	}
}

// poll calls what was told, in order.
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

// End drops what was told and not heard: nobody hears any more.
func (o *outside) End() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.ended, o.calls = true, nil
}
