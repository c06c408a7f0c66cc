package tasklet

import (
	"sync"
	"sync/atomic"
)

// outside is what a scheduler hears from other goroutines.
type outside struct {
	awaited int // tasklets that wait for something from outside

	any   atomic.Bool // something was told: looked at without the lock
	mu    sync.Mutex
	told  []func()
	ended bool
	news  chan struct{} // wakes the thread, if it sleeps
}

// tell has f called on the scheduler's thread. Any goroutine may call it.
func (o *outside) tell(f func()) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.note(f)
}

// note is tell for who has locked mu.
func (o *outside) note(f func()) {
	if o.ended {
		return
	}
	o.told = append(o.told, f)
	o.any.Store(true)
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

// End drops what was told and not heard: nobody hears any more.
func (o *outside) End() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.ended, o.told = true, nil
}
