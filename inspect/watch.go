package inspect

import (
	"runtime"
	"sync/atomic"
	"time"

	"github.com/go-greenlet/greenlet"
	"github.com/go-greenlet/greenlet/internal/layer"
)

// A Report describes a greenlet that has held its thread for too long.
type Report struct {
	Greenlet *greenlet.Greenlet
	Held     time.Duration   // how long it has held the thread, at least
	Stack    []runtime.Frame // its stack at that time, the innermost frame first; nil where Greenlet.Stack is nil
	InC      bool            // it runs C code, below the frame of runtime.cgocall
}

// Watch calls report, on a goroutine of its own, for each greenlet that has held its thread
// for longer than limit, which means that its tree has made no switch during that time. It
// reports such a greenlet once, before twice the limit is over. A limit of less than a
// millisecond counts as one millisecond.
//
// A root is reported if its tree has started greenlets and it computes or is in C all the time;
// or if it waits in Go's scheduler (for a channel, a timer, a lock) while tasklets of its own
// could run. A root that waits otherwise is not reported, since that is the normal state of an
// event loop. On engines other than that of one M (see greenlet.Runtime) the state of a root is
// not known, and it is not reported.
//
// Switches do not become slower: the goroutine of Watch looks, several times in each limit, which
// greenlet of each tree runs. stop ends the watch, and does not wait for a report that has begun.
func Watch(limit time.Duration, report func(Report)) (stop func()) {
	w := &watchdog{limit: max(limit, time.Millisecond), report: report, holds: map[uint64]*hold{}}
	done := make(chan struct{})
	go w.run(done)
	var stopped atomic.Bool
	return func() {
		if stopped.CompareAndSwap(false, true) { // it fails in all calls of stop but the first, and done is closed only once
			close(done)
		}
	}
}

// A watchdog belongs to the goroutine of run; no other goroutine reads or writes its fields.
type watchdog struct {
	limit  time.Duration
	report func(Report)
	holds  map[uint64]*hold // by the root's ID
}

// A hold is a time in which one greenlet of a tree has run without a switch.
type hold struct {
	running  uint64        // ID of that greenlet
	switches uint64        // its count of switches; another one means that it was left and resumed since
	since    time.Time     // the look that found it first
	last     time.Time     // the previous look at its tree
	held     time.Duration // the time from since to last, of which a pause between two looks counts limit/2 at most
	told     bool          // it was reported
	seen     bool          // the present look has found its tree
}

func (w *watchdog) run(done chan struct{}) {
	tick := time.NewTicker(w.limit / 4)
	defer tick.Stop()
	for {
		select {
		case <-done:
			return
		case <-tick.C:
			w.look()
		}
	}
}

// look is called four times in each limit, or less often if the machine is overloaded or the
// process was stopped. The greenlets have had no processor either during such a pause, so it counts
// as half a limit at most.
func (w *watchdog) look() {
	// A hold is from after the look that finds it first to before the last one. What comes later, a
	// report for another tree for example, is not known to be a part of it.
	before := time.Now()
	trees := layer.Trees()
	after := time.Now()
	for _, t := range trees {
		g := (*greenlet.Greenlet)(t.Running)
		h := w.holds[t.Root]
		if h == nil || h.running != g.ID() || h.switches != t.Switches {
			h = &hold{running: g.ID(), switches: t.Switches, since: after, last: after}
			w.holds[t.Root] = h
		} else {
			h.held += min(before.Sub(h.last), w.limit/2)
			h.last = before
		}
		h.seen = true
		if h.told {
			continue
		}
		if t.IsRoot && !w.holdsAsRoot(t) {
			now := time.Now()
			h.since, h.last, h.held = now, now, 0
			continue
		}
		if h.held >= w.limit {
			h.told = true
			r := Report{Greenlet: g, Held: h.last.Sub(h.since)}
			r.InC = layer.DoingOf(t.Running, &r.Stack) == layer.InC
			w.report(r)
		}
	}
	for root, h := range w.holds {
		if !h.seen {
			delete(w.holds, root)
		}
		h.seen = false
	}
}

// holdsAsRoot says whether the root of t, which is the running greenlet, keeps others from
// running: started greenlets while it computes or is in C, ready tasklets while it blocks.
func (w *watchdog) holdsAsRoot(t layer.Tree) bool {
	switch layer.DoingOf(t.Running, nil) {
	case layer.InGo, layer.InC:
		return t.Living > 0
	case layer.Blocked:
		return t.Kept != nil && t.Kept.Ready() > 1
	}
	return false
}
