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
				Switches: g.c.switchCount(), Living: t.nlive, Kept: t.layer})
			t.mu.Unlock()
		}
		return all
	}
	layer.DoingOf = func(g unsafe.Pointer, stack *[]runtime.Frame) layer.Doing { return (*Greenlet)(g).c.activity(stack) }
	layer.Mark = func(text string) {
		if t := currentTree(); t != nil {
			t.updateObservers()
			if t.lane != nil {
				t.lane.Mark(gort.Ticks(), t.current.c.timelineTrack(), text)
			}
			t.raceRelease()
		}
	}
}

// updateObservers looks what is wanted. It is called on the tree's thread.
func (t *tree) updateObservers() {
	r := timeline.Active()
	if r == nil {
		t.lane, t.recording = nil, nil
	} else if r != t.recording {
		t.recording = r
		t.lane = r.Lane(t.root.c.timelineTrack(), int(t.tid.Load()))
		t.lane.Add(gort.Ticks(), nil, t.current.c.timelineTrack(), timeline.Begin)
	}
	if r != nil || Detail(details.Load())&DetailTimes != 0 {
		if t.slow |= slowObserved; t.noted == nil {
			t.noted = t.current.c
		}
	} else {
		t.slow &^= slowObserved
		t.noted = nil
	}
}

// noteSwitch is called by the current greenlet as it goes on, with a message of that kind.
func (t *tree) noteSwitch(k kind) {
	from, to := t.noted, t.current.c
	if from == to {
		return // it has switched to itself, or was only asked something
	}
	t.noted = to
	if l := t.lane; l != nil {
		l.Add(gort.Ticks(), from.timelineTrack(), to.timelineTrack(), timeline.Switch+timeline.Kind(k))
	}
	if Detail(details.Load())&DetailTimes != 0 {
		now := gort.Nanotime()
		storeShared(&from.makeRare().since, now)
		storeShared(&to.makeRare().since, now)
	}
}

// gotPlainValueNoted says, after a Cross, whether nothing but a value has come; if it is wanted, it
// was noted.
func (t *tree) gotPlainValueNoted() bool {
	if t.slow == slowObserved && t.inbox.kind == kindValue {
		t.noteSwitch(kindValue)
		return true
	}
	return t.gotPlainValue()
}

// noteBirth and ended note a greenlet's start and end.
func (t *tree) noteBirth(c *core) {
	if t.lane != nil {
		t.lane.Add(gort.Ticks(), nil, c.timelineTrack(), timeline.Birth)
	}
	if Detail(details.Load())&DetailTimes != 0 {
		storeShared(&c.makeRare().since, gort.Nanotime())
	}
}

func (t *tree) noteEnd(c *core) {
	if t.lane != nil {
		t.lane.Add(gort.Ticks(), nil, c.timelineTrack(), timeline.End)
	}
}

// timelineTrack is c in time lines. It is called on c's thread.
func (c *core) timelineTrack() *timeline.Track {
	x := c.makeRare()
	if x.track == nil {
		x.track = timeline.NewTrack(c.id, &c.name)
	}
	return x.track
}

// storeShared writes a word that only its own thread writes, and others read; see count.
func storeShared(p *int64, v int64) {
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
		if name := c.nameText(); name != "" {
			return trace.StartRegion(context.Background(), name).End
		}
	}
	return func() {}
}
