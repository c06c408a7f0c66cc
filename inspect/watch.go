package inspect

import (
	"runtime"
	"sync/atomic"
	"time"

	"github.com/go-greenlet/greenlet"
	"github.com/go-greenlet/greenlet/internal/layer"
)

// A Report is about a greenlet that has held its thread for too long.
type Report struct {
	Greenlet *greenlet.Greenlet
	Held     time.Duration   // for how long, at least
	Stack    []runtime.Frame // where it was then, the innermost first; nil where Greenlet.Stack is
	InC      bool            // it runs C code, below the frame of runtime.cgocall
}

// Watch calls report, on a goroutine of its own, for each greenlet that has held its thread
// for longer than limit: it has neither switched nor was switched from. It is told of once
// while it does so, before twice the limit is over.
//
// A root is told of if its tree has greenlets and it computes or is in C all the time; or if it
// waits in Go's scheduler (for a channel, a timer, a lock) while tasklets of its own could
// run. That a root waits otherwise is what roots do. On other engines than that of one M (see
// greenlet.Runtime) it is not known what a root does, and it is not told of.
//
// Nothing of that is paid for by those that switch: several times in each limit somebody
// looks who runs, in each tree. stop ends the watch; a report that has begun goes on.
func Watch(limit time.Duration, report func(Report)) (stop func()) {
	w := &watchdog{limit: max(limit, time.Millisecond), report: report, holds: map[uint64]*hold{}}
	done := make(chan struct{})
	go w.run(done)
	var stopped atomic.Bool
	return func() {
		if stopped.CompareAndSwap(false, true) {
			close(done)
		}
	}
}

type watchdog struct {
	limit  time.Duration
	report func(Report)
	holds  map[uint64]*hold // by the root
	last   time.Time        // of the last look
}

// A hold is who runs in a tree, since it was first seen to.
type hold struct {
	running  uint64
	switches uint64
	since    time.Time
	held     time.Duration // since then, without what nobody was there to see
	told     bool
	seen     bool // in the present look
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

// look is called four times in each limit, or less often if the machine has no time for that, or
// the process was stopped. Then those that it looks at had none either: such a pause is counted
// as half a limit.
func (w *watchdog) look() {
	begin := time.Now()
	passed := min(begin.Sub(w.last), w.limit/2)
	w.last = begin
	for _, t := range layer.Trees() {
		g, now := (*greenlet.Greenlet)(t.Running), time.Now()
		h := w.holds[t.Root]
		if h == nil || h.running != g.ID() || h.switches != t.Switches {
			h = &hold{running: g.ID(), switches: t.Switches, since: now}
			w.holds[t.Root] = h
		} else {
			h.held += passed
		}
		h.seen = true
		if h.told {
			continue
		}
		if t.IsRoot && !w.holdsAsRoot(t) {
			h.since, h.held = now, 0
			continue
		}
		if h.held >= w.limit {
			h.told = true
			r := Report{Greenlet: g, Held: now.Sub(h.since)}
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

// holdsAsRoot says whether a root that runs keeps others from running.
func (w *watchdog) holdsAsRoot(t layer.Tree) bool {
	switch layer.DoingOf(t.Running, nil) {
	case layer.InGo, layer.InC:
		return t.Living > 0
	case layer.Blocked:
		return t.Kept != nil && t.Kept.Ready() > 1
	}
	return false
}
