package tasklet

import "fmt"

// A Semaphore has a number of permits. Acquire takes one, and waits until there is one;
// Release gives one back. The tasklet that has waited longest gets the next one. Make it with
// NewSemaphore. With a single permit it is a mutex for state that is inconsistent across a
// switch; code between two switches needs no lock.
//
// A semaphore belongs to the root that made it. Any goroutine may call Release and String;
// the other methods are for the root's goroutine.
type Semaphore struct {
	c    Channel[bool] // passes permits to those that wait
	free int
}

// NewSemaphore makes a semaphore with n permits. It panics if n is negative. WithPosts
// declares that other goroutines call Release.
func NewSemaphore(n int, opts ...ChannelOption) *Semaphore {
	if n < 0 {
		panic(fmt.Errorf("tasklet: NewSemaphore(%d): it has 0 permits or more", n))
	}
	s := &Semaphore{free: n}
	s.c.internal = true
	s.c.init("semaphore", opts)
	return s
}

// String returns the semaphore's name.
func (s *Semaphore) String() string { return s.c.String() }

// Acquire takes a permit, and waits for one if there is none. If it returns an error, such as
// one that is thrown at the tasklet, it has taken none.
func (s *Semaphore) Acquire() error {
	if !s.c.s.isCurrent() {
		return s.c.misuse("Acquire")
	}
	s.c.s.poll()
	if s.free > 0 {
		s.free--
		return nil
	}
	me := s.c.s.head
	w, err := s.c.block("Acquire", me, false)
	if err != nil {
		return err
	}
	returned := false
	defer func() {
		got := w.v
		s.c.freeWaiter(w)
		if got && !returned { // an error has come at the same moment
			s.release()
		}
	}()
	err = w.wait(me)
	returned = err == nil
	return err
}

// TryAcquire takes a permit if there is one, and reports whether it has. It panics with
// ErrWrongThread on another goroutine.
func (s *Semaphore) TryAcquire() bool {
	s.c.mustBeCurrent("TryAcquire").poll()
	if s.free == 0 {
		return false
	}
	s.free--
	return true
}

// Release adds a permit, which need not have been acquired before. If tasklets wait, the one
// that has waited longest gets it and goes to the end of the ring, and the caller goes on. On
// another goroutine it takes effect when the scheduler next polls. If the root has ended,
// Release does nothing.
func (s *Semaphore) Release() {
	switch to := s.c.s; {
	case to == nil:
		panic(s.c.misuse("Release"))
	case to.isCurrent():
		to.poll()
		s.release()
	default:
		to.submit(s.release)
	}
}

func (s *Semaphore) release() {
	if s.c.balance < 0 {
		s.c.enqueuePost(true)
	} else {
		s.free++
	}
}
