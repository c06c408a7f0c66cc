package tasklet

import "fmt"

// A Semaphore has a number of permits: Acquire takes one, and waits until there is one;
// Release gives one back. Who waits longest gets the next one. Make it with NewSemaphore.
// One with a single permit is a mutex for what must not be left half done across a switch;
// between two switches nothing needs a lock.
//
// It belongs to the root that made it; Release may be called from any goroutine, the other
// methods on that one's goroutine only.
type Semaphore struct {
	c    Channel[bool] // passes permits to those that wait
	free int
}

// NewSemaphore makes a semaphore with n permits. n below 0 is a panic. WithPosts says that
// other goroutines Release it.
func NewSemaphore(n int, opts ...ChannelOption) *Semaphore {
	if n < 0 {
		panic(fmt.Errorf("tasklet: NewSemaphore(%d): it has 0 permits or more", n))
	}
	s := &Semaphore{free: n}
	s.c.internal = true
	s.c.init("semaphore", opts)
	return s
}

// String describes the semaphore for people: its name.
func (s *Semaphore) String() string { return s.c.String() }

// Acquire takes a permit, and waits for one if there is none. With an error, such as one
// that is thrown at the tasklet, nothing was taken.
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
		if got && !returned { // an error or a panic has come at the same time
			s.release()
		}
	}()
	err = w.wait(me)
	returned = err == nil
	return err
}

// TryAcquire takes a permit if there is one, and says whether it has. It panics with
// ErrWrongThread on another goroutine.
func (s *Semaphore) TryAcquire() bool {
	s.c.mustBeCurrent("TryAcquire").poll()
	if s.free == 0 {
		return false
	}
	s.free--
	return true
}

// Release gives a permit back, or a new one: it need not have been acquired. The tasklet
// that waits longest, if any, gets it and goes to the end of the ring, and the caller goes
// on. From another goroutine it takes effect at the scheduler's next opportunity; when the
// root has ended it does nothing.
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
