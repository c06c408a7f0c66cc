package tasklet

import (
	"math"
	"time"
)

// A run is one call of Run, RunSteps or RunFor. Its caller is blocked in it.
type run struct {
	caller *Tasklet
	left   int           // how many switches it may still make
	budget time.Duration // of RunFor; 0: none
	begun  time.Time     // if there is a budget
	ending bool          // an error was thrown at its caller, which will go on, and runs inside of it are left
	outer  *run
}

// exhausted reports whether r has made its number of switches or spent its budget. A budget
// counts after the first switch only, so that each call makes progress.
func (r *run) exhausted() bool {
	return r.left == 0 || r.budget > 0 && r.left < math.MaxInt && time.Since(r.begun) >= r.budget
}

// Run lets the other tasklets run until none is runnable and nothing from outside is
// awaited. Any tasklet may call it, and calls nest: the innermost returns first. If an error
// is thrown at the caller of an outer Run, that one ends before the inner ones, whose
// callers go to the end of the ring, and their Run returns nil.
//
// When a tasklet ends with an error, Run returns it as an *Error, which names the tasklet.
// When a tasklet panics, Run panics with a *greenlet.PanicError, which names it, too. The
// other tasklets are not affected, and Run may be called again.
//
// Run returns nil also if blocked tasklets are left, since its caller may be the one that
// they wait for. Waits lists them.
func Run() error {
	_, err := RunSteps(math.MaxInt)
	return err
}

// RunSteps is Run with a limit of n turns, and returns how many turns there were. A turn
// begins whenever a tasklet starts or is resumed, or calls Schedule and finds no other
// tasklet in the ring. Turns in a nested Run do not count.
func RunSteps(n int) (made int, err error) {
	s := currentScheduler()
	me := s.head
	s.poll()
	if n <= 0 || s.n == 1 && s.awaited == 0 {
		return 0, nil
	}
	if err := s.refusal("Run", me); err != nil {
		return 0, err
	}
	r := &run{caller: me, left: n}
	err = s.run(r)
	return n - r.left, err
}

// RunFor is Run with a budget of real time, such as the time that a game has left for its
// scripts in a frame. It checks the budget between two turns, so one long turn can overrun
// it. It also returns when no tasklet can run at the moment: it does not wait for Sleep,
// Await and the like. If the budget is positive and a tasklet can run, there is at least one
// turn.
//
// more reports whether a tasklet can run; the next RunFor goes on with that one. Errors and
// panics come out as from Run. A nested Run has no budget.
func RunFor(budget time.Duration) (more bool, err error) {
	s := currentScheduler()
	s.poll()
	if budget <= 0 || s.n == 1 {
		return s.n > 1, nil
	}
	if err := s.refusal("RunFor", s.head); err != nil {
		return true, err
	}
	err = s.run(&run{left: math.MaxInt, budget: budget, begun: time.Now()})
	return s.n > 1, err
}

// run blocks the current tasklet in r and lets the others run until r ends.
func (s *scheduler) run(r *run) error {
	r.caller, r.outer = s.head, s.innermost
	s.innermost = r
	s.park(r.caller, r)
	defer s.endInnerRuns(r) // a panic may end it
	return s.switchAway(r.caller)
}

// endInnerRuns ends the runs inside of r, whose caller goes on, from the innermost outwards.
func (s *scheduler) endInnerRuns(r *run) {
	for r.ending {
		s.makeRunnable(s.innermost.caller)
	}
}

// resumeRunCaller ends the innermost run and makes its caller the head of the ring.
func (s *scheduler) resumeRunCaller() *Tasklet {
	caller := s.innermost.caller
	s.makeHead(caller)
	return caller
}

// cancel ends r. If there are runs inside of r, it stays in the chain of runs until its
// caller goes on, and endInnerRuns ends them then.
func (r *run) cancel() {
	s := r.caller.s
	s.unpark(r.caller)
	for r.ending = true; s.innermost != nil && s.innermost.ending; s.innermost = s.innermost.outer {
		s.innermost.ending = false
	}
}

func (r *run) waits() Wait { return Wait{Tasklet: r.caller, On: "Run"} }
