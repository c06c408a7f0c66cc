package tasklet

import (
	"math"
	"time"
)

// A run is one call of Run or RunSteps. Its caller is blocked in it.
type run struct {
	caller *Tasklet
	left   int           // switches that it has not made of its number
	budget time.Duration // of RunFor; 0: none
	begun  time.Time     // if there is a budget
	ending bool          // its caller is to go on, by what was thrown at it, and there are inner ones
	outer  *run
}

// exhausted says whether r has made its number of switches, or spent its budget. One switch is
// made in any case, so that something happens in the end.
func (r *run) exhausted() bool {
	return r.left == 0 || r.budget > 0 && r.left < math.MaxInt && time.Since(r.begun) >= r.budget
}

// Run lets the tasklets run until none is runnable, and nothing is awaited. Called
// by a tasklet, it runs the others, itself excepted. Calls nest; the innermost
// returns first. When something that is thrown at an outer one's caller ends that one
// before, the callers of the inner ones go to the end of the ring, and their Run
// returns.
//
// The error with which a tasklet ends comes out here, as an *Error, which says whose it
// is, and its panic: that goes on as a *greenlet.PanicError, which says so, too. The
// others stay as they are; Run may be called again.
//
// That tasklets are left which are blocked, on channels that nobody uses any more, is no
// error of Run, since whoever calls it may do so. Waits names them.
func Run() error {
	_, err := RunSteps(math.MaxInt)
	return err
}

// RunSteps is Run for at most n switches, and returns how many there were. Each time that a
// tasklet gets its turn counts as one, also when it is the one that had the turn before,
// alone in the ring. Switches in a nested Run count there, and not here.
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

// RunFor is Run with a budget of real time, such as what a frame of a game has left for
// its scripts. It returns when the budget is spent, which it looks at before each switch,
// so one long turn can overrun it; and when nobody can run just now: it does not wait for
// Sleep, Await and the like. At least one switch is made if there is anybody, unless the
// budget is 0 or less.
//
// more says that somebody could go on at once; the next RunFor begins with whoever that
// is. Errors and panics come out as from Run. A nested Run has no budget.
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

// run lets the others go on until r is over.
func (s *scheduler) run(r *run) error {
	r.caller, r.outer = s.head, s.innermost
	s.innermost = r
	s.park(r.caller, r)
	defer s.endInnerRuns(r) // a panic may end it
	return s.switchAway(r.caller)
}

// endInnerRuns ends the runs inside of r, whose caller goes on, the innermost first.
func (s *scheduler) endInnerRuns(r *run) {
	for r.ending {
		s.makeRunnable(s.innermost.caller)
	}
}

// resumeRunCaller makes the caller of the innermost Run the head of the ring.
func (s *scheduler) resumeRunCaller() *Tasklet {
	caller := s.innermost.caller
	s.makeHead(caller)
	return caller
}

// cancel ends r. While there are runs inside of it, it stays in the chain until its
// caller goes on: only then do they end.
func (r *run) cancel() {
	s := r.caller.s
	s.unpark(r.caller)
	for r.ending = true; s.innermost != nil && s.innermost.ending; s.innermost = s.innermost.outer {
		s.innermost.ending = false
	}
}

func (r *run) waits() Wait { return Wait{Tasklet: r.caller, On: "Run"} }
