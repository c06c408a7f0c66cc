// Package bench has what the benchmarks measure: cases, each with this module's way
// to do something and its peers' beside it. The Go benchmarks and the table and plot
// of cmd/greenlet run the same ones.
package bench

import (
	"fmt"
	"runtime"

	"github.com/go-greenlet/greenlet"
	"github.com/go-greenlet/greenlet/tasklet"
)

// A Case is one thing that several sides do. Sides[0] is ours, Sides[1] the peer
// that AtMost speaks of.
type Case struct {
	Name   string
	Op     string  // what one operation is, for people
	Sides  []Side  // in the order of interest
	AtMost float64 // the aim: ours is to cost at most this many times what the peer does
	Beside bool    // goroutines keep all processors busy meanwhile
	Procs  []int   // values of GOMAXPROCS to measure it at
}

// A Side sets up something, calls measure with a function that does n operations,
// and puts everything back when measure returns. All of it happens on the calling
// goroutine, which measure must not leave either.
type Side struct {
	Name string
	Do   func(measure func(op func(n int))) error
}

// Cases returns all that is measured in one process. Names are names of Go
// benchmarks, so they have no spaces.
func Cases() []Case {
	all := []Case{{Name: "pair", Op: "one way, the root and one greenlet", AtMost: 0.9, Procs: []int{1, 2},
		Sides: []Side{pair(), inTurn(1)}}}
	for _, n := range []int{2, 100, 1000, 10_000} {
		c := Case{Name: fmt.Sprintf("ring/%d", n), Op: "one way", AtMost: 0.9, Procs: []int{1, 2},
			Sides: []Side{ring(n), inTurn(n)}}
		if n == 2 {
			c.Sides = append(c.Sides, channel(false))
		}
		if n == 10_000 {
			c.AtMost = 0
		}
		all = append(all, c)
	}
	for _, n := range []int{2, 100, 1000} {
		all = append(all, Case{Name: fmt.Sprintf("busy/%d", n), Op: "one way", AtMost: 1.1, Procs: []int{2}, Beside: true,
			Sides: []Side{ring(n), inTurn(n)}})
	}
	all = append(all,
		Case{Name: "large-ring", Op: "one way in a ring of 10,000, against one of 2", AtMost: 4, Procs: []int{1},
			Sides: []Side{ring(10_000), ring(2)}},
		Case{Name: "channel", Op: "one way", AtMost: 0.25, Procs: []int{1, 2},
			Sides: []Side{ring(2), channel(false)}},
		Case{Name: "locked", Op: "one way", AtMost: 0.01, Procs: []int{2},
			Sides: []Side{ring(2), channel(true)}},
	)
	for _, live := range []int{1, 1000} {
		all = append(all, Case{Name: fmt.Sprintf("frames/%d", live), Op: "one way", AtMost: 0.75, Procs: []int{1, 2},
			Sides: []Side{Random(live, 3), RandomPull(live, 3)}})
	}
	all = append(all, Case{Name: "random/10000", Op: "one way", AtMost: 1.25, Procs: []int{1, 2},
		Sides: []Side{Random(10_000, 0), RandomPull(10_000, 0)}})
	all = append(all,
		Case{Name: "next", Op: "a next of Pull", AtMost: 1, Procs: []int{1, 2},
			Sides: []Side{next("greenlet.Pull", greenlet.Pull[int]), next("iter.Pull", iterPull)}},
		Case{Name: "resume", Op: "a Resume, against a next of iter.Pull", Procs: []int{1, 2},
			Sides: []Side{resume(), next("iter.Pull", iterPull)}},
		Case{Name: "life", Op: "make, run, finish", AtMost: 0.8, Procs: []int{1, 2},
			Sides: []Side{life(), lifeOfPull("iter.Pull", iterPull), goAndWait()}},
		Case{Name: "pull-life", Op: "make a Pull outside of a Run, one next, stop", Procs: []int{1, 2},
			Sides: []Side{lifeOfPull("greenlet.Pull", greenlet.Pull[int]), lifeOfPull("iter.Pull", iterPull)}},
		Case{Name: "suspended-life", Op: "make, suspend once, finish", AtMost: 1.2, Procs: []int{1, 2},
			Sides: []Side{lifeWithSuspension(), lifeOfPull("iter.Pull", iterPull)}},
		Case{Name: "callback", Op: "Go to C to Go, on a greenlet's stack, against a thread's", AtMost: 1.3, Procs: []int{1, 2},
			Sides: []Side{callbackOnGreenlet(), callback(), call()}},
	)
	all = append(all,
		Case{Name: "exchange", Op: "a value over an unbuffered channel, the receiver goes first", AtMost: 0.5, Procs: []int{1},
			Sides: []Side{exchange(tasklet.PreferReceiver), exchangeInGo()}},
		Case{Name: "exchange-neither", Op: "the same, whoever acts goes on, as in Go", AtMost: 0.5, Procs: []int{1},
			Sides: []Side{exchange(tasklet.PreferNeither), exchangeInGo()}})
	for _, shape := range []struct{ live, frames int }{{1, 0}, {1, 3}, {1000, 0}, {1000, 3}, {10_000, 0}} {
		all = append(all, Case{Name: fmt.Sprintf("C/%d/frames-%d", shape.live, shape.frames), Op: "one way, C to C", AtMost: 1, Procs: []int{1},
			Sides: cSides(shape.live, shape.frames, "glet_coro_switch", "jump_fcontext", "minimal", "swapcontext")})
		all = append(all, Case{Name: fmt.Sprintf("C-inline/%d/frames-%d", shape.live, shape.frames), Op: "one way, C to C, compiled in", AtMost: 0.5, Procs: []int{1},
			Sides: cSides(shape.live, shape.frames, "glet_coro_switch_inline", "jump_fcontext")})
	}
	return all
}

// locked calls f with the goroutine locked to its thread.
func locked(f func() error) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	return f()
}
