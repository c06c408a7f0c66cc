package greenlet

import (
	"context"
	"runtime"
	"runtime/trace"
	"sync/atomic"
	"unsafe"

	"github.com/go-greenlet/greenlet/internal/gort"
	"github.com/go-greenlet/greenlet/internal/layer"
	"github.com/go-greenlet/greenlet/internal/timeline"
)

// This file is what a tree does at each switch while somebody wants to know of them all.
// Then busyObserved is set, so that whoever goes on sees that something is to be done, and
// calls observed.
// Whoever wants something says so in a place of its own and changes epoch: a tree that sees
// another number looks what is wanted.

func init() {
	layer.Observe = func() { epoch.Add(1) }
	layer.Nanotime = gort.Nanotime
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
				t.lane.Mark(gort.Ticks(), t.current.c.trackOf(), text)
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
		t.lane = r.Lane(t.root.c.trackOf(), int(t.tid.Load()))
		t.lane.Add(gort.Ticks(), nil, t.current.c.trackOf(), timeline.Begin)
	}
	if r != nil || Detail(details.Load())&DetailTimes != 0 {
		if t.busy |= busyObserved; t.ran == nil {
			t.ran = t.current.c
		}
	} else {
		t.busy &^= busyObserved
		t.ran = nil
	}
}

// observed is called by the current greenlet as it goes on, with a message of that kind.
func (t *tree) observed(k kind) {
	from, to := t.ran, t.current.c
	if from == to {
		return // it has switched to itself, or was only asked something
	}
	t.ran = to
	if l := t.lane; l != nil {
		l.Add(gort.Ticks(), from.trackOf(), to.trackOf(), timeline.Switch+timeline.Kind(k))
	}
	if Detail(details.Load())&DetailTimes != 0 {
		now := gort.Nanotime()
		share(&from.more().since, now)
		share(&to.more().since, now)
	}
}

// plainAndNoted says, after a Cross, whether nothing but a value has come; if it is wanted, it
// was noted.
func (t *tree) plainAndNoted() bool {
	if t.busy == busyObserved && t.inbox.kind == kindValue {
		t.observed(kindValue)
		return true
	}
	return t.plain()
}

// born and ended note a greenlet's start and end.
func (t *tree) born(c *core) {
	if t.lane != nil {
		t.lane.Add(gort.Ticks(), nil, c.trackOf(), timeline.Birth)
	}
	if Detail(details.Load())&DetailTimes != 0 {
		share(&c.more().since, gort.Nanotime())
	}
}

func (t *tree) ended(c *core) {
	if t.lane != nil {
		t.lane.Add(gort.Ticks(), nil, c.trackOf(), timeline.End)
	}
}

// trackOf is c in time lines. It is called on c's thread.
func (c *core) trackOf() *timeline.Track {
	x := c.more()
	if x.track == nil {
		x.track = timeline.NewTrack(c.id, &c.name)
	}
	return x.track
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
