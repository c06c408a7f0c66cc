package tasklet

import "math"

// A run is one call of Run or RunSteps. Its caller is blocked in it.
type run struct {
	by    *Tasklet
	left  int // switches that it has not made of its number
	outer *run
}

// Run lets the tasklets run until none is runnable, and nothing is awaited. Called
// by a tasklet, it runs the others, itself excepted. Calls nest; the innermost
// returns first.
//
// The error with which a tasklet ends comes out here, and its panic: that goes on
// as a *greenlet.PanicError. The others stay as they are; Run may be called again.
func Run() error {
	_, err := RunSteps(math.MaxInt)
	return err
}

// RunSteps is Run for at most n switches. It returns how many there were. A switch
// is that a tasklet goes on, be it the one that has let the others go first. Those
// that a nested Run makes are that one's.
func RunSteps(n int) (made int, err error) {
	s := here()
	me := s.head
	s.collect()
	if n <= 0 || s.n == 1 && s.awaited == 0 {
		return 0, nil
	}
	if err := s.refusal("Run", me); err != nil {
		return 0, err
	}
	r := &run{by: me, left: n, outer: s.inner}
	s.inner = r
	s.park(me, r)
	err = s.leave(me)
	return n - r.left, err
}

// wake makes the caller of the innermost Run the head of the ring.
func (s *scheduler) wake() *Tasklet {
	by := s.inner.by
	s.front(by)
	return by
}

func (r *run) unlink() {
	s := r.by.s
	p := &s.inner
	for *p != r {
		p = &(*p).outer
	}
	*p = r.outer
	s.unpark(r.by)
}

func (r *run) waits() Wait { return Wait{Tasklet: r.by, On: "Run"} }
