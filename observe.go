package greenlet

import (
	"context"
	"runtime"
	"runtime/trace"
	"sync/atomic"
	"unsafe"

	"github.com/go-greenlet/greenlet/internal/layer"
	"github.com/go-greenlet/greenlet/internal/timeline"
)

// This file is what a tree does at each switch while somebody wants to know of them all.
// Then busyObserved is set, so that no switch is the short one, and take calls observed.
// Whoever wants something says so in a place of its own and changes epoch: a tree that sees
// another number looks what is wanted.

func init() {
	layer.Observe = func() { epoch.Add(1) }
	layer.Nanotime = nanotime
	layer.Trees = func() (all []layer.Tree) {
		for _, t := range allTrees() {
			g := t.running()
			t.mu.Lock()
			all = append(all, layer.Tree{Root: t.root.c.id, Running: unsafe.Pointer(g), IsRoot: g == t.root,
				Switches: g.c.switched(), Living: t.nlive, Kept: t.layer})
			t.mu.Unlock()
		}
		return all
	}
	layer.DoingOf = func(g unsafe.Pointer, stack *[]runtime.Frame) layer.Doing { return (*Greenlet)(g).c.doing(stack) }
	layer.Mark = func(text string) {
		if t := currentTree(); t != nil {
			t.observe()
			if t.lane != nil {
				t.lane.Add(timeline.Event{At: nanotime(), To: t.current.c.trackOf(), Text: &text, Kind: timeline.Mark})
			}
			t.raceRelease()
		}
	}
}

// observe looks what is wanted. It is called on the tree's thread.
func (t *tree) observe() {
	r := timeline.Active()
	if r == nil {
		t.lane, t.recording = nil, nil
	} else if r != t.recording {
		t.recording = r
		t.lane = r.Lane(t.root.c.trackOf(), t.tid)
		t.lane.Add(timeline.Event{At: nanotime(), To: t.current.c.trackOf(), Kind: timeline.Begin})
	}
	if r != nil || Detail(details.Load())&DetailTimes != 0 {
		t.busy |= busyObserved
	} else {
		t.busy &^= busyObserved
	}
}

// observed is called by the current greenlet as it goes on, with the message that it got.
func (t *tree) observed(m message) {
	from, to := m.origin.c, t.current.c
	now := nanotime()
	if Detail(details.Load())&DetailTimes != 0 && from != to {
		share(&from.since, now)
		share(&to.since, now)
	}
	if t.lane != nil {
		kinds := [...]timeline.Kind{kindValue: timeline.Switch, kindError: timeline.Throw, kindPanic: timeline.Panic, kindGoexit: timeline.Goexit}
		t.lane.Add(timeline.Event{At: now, From: from.trackOf(), To: to.trackOf(), Kind: kinds[m.kind]})
	}
}

// born and ended note a greenlet's start and end.
func (t *tree) born(c *core) {
	if t.lane != nil {
		t.lane.Add(timeline.Event{At: nanotime(), To: c.trackOf(), Kind: timeline.Birth})
	}
	if Detail(details.Load())&DetailTimes != 0 {
		share(&c.since, nanotime())
	}
}

func (t *tree) ended(c *core) {
	if t.lane != nil {
		t.lane.Add(timeline.Event{At: nanotime(), To: c.trackOf(), Kind: timeline.End})
	}
}

// trackOf is c in time lines. It is called on c's thread.
func (c *core) trackOf() *timeline.Track {
	if c.track == nil {
		c.track = timeline.NewTrack(c.id, &c.name)
	}
	return c.track
}

// share writes a word that only its own thread writes, and others read; see count.
func share(p *int64, v int64) {
	if raceEnabled {
		atomic.StoreInt64(p, v)
	} else {
		*p = v
	}
}

// region makes a greenlet that starts while an execution trace is taken, and has a name, show
// by that: as a region of its goroutine.
func (c *core) region() (end func()) {
	if trace.IsEnabled() {
		if name := c.called(); name != "" {
			return trace.StartRegion(context.Background(), name).End
		}
	}
	return func() {}
}
