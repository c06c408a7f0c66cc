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

// This file is what a tree does at each switch while switches are observed: for a time line
// (internal/timeline), or for DetailTimes. Then slowObserved is set, so that every switch takes
// the long way, and the greenlet that goes on calls noteSwitch.
//
// An observer sets a variable of its own and changes epoch. A tree that finds another epoch
// than at its last switch calls updateObservers.

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

// updateObservers brings the tree's fields in line with what is to be observed now. It is called
// on the tree's own goroutine.
func (t *tree) updateObservers() {
	recording := timeline.Active()
	if recording == nil {
		t.lane, t.recording = nil, nil
	} else if recording != t.recording {
		t.recording = recording
		t.lane = recording.Lane(t.root.c.timelineTrack(), int(t.tid.Load()))
		t.lane.Add(gort.Ticks(), nil, t.current.c.timelineTrack(), timeline.Begin)
	}
	if recording != nil || Detail(details.Load())&DetailTimes != 0 {
		if t.slow |= slowObserved; t.noted == nil {
			t.noted = t.current.c
		}
	} else {
		t.slow &^= slowObserved
		t.noted = nil
	}
}

// noteSwitch is called by the current greenlet when it goes on, with the kind of its message.
func (t *tree) noteSwitch(k kind) {
	from, to := t.noted, t.current.c
	if from == to {
		return // it has switched to itself, or a probe was answered meanwhile
	}
	t.noted = to
	if lane := t.lane; lane != nil {
		lane.Add(gort.Ticks(), from.timelineTrack(), to.timelineTrack(), timeline.Switch+timeline.Kind(k))
	}
	if Detail(details.Load())&DetailTimes != 0 {
		now := gort.Nanotime()
		storeShared(&from.makeRare().since, now)
		storeShared(&to.makeRare().since, now)
	}
}

// gotPlainValueNoted is gotPlainValue, but that a switch which has to be noted is noted: it says,
// after a SwitchFast, whether a value has come and there is nothing else to do.
func (t *tree) gotPlainValueNoted() bool {
	if t.slow == slowObserved && t.inbox.kind == kindValue {
		t.noteSwitch(kindValue)
		return true
	}
	return t.gotPlainValue()
}

// noteBirth notes a greenlet's start, and noteEnd its end.
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

// timelineTrack returns c's line in time lines. It is called on the goroutine of c's tree.
func (c *core) timelineTrack() *timeline.Track {
	r := c.makeRare()
	if r.track == nil {
		r.track = timeline.NewTrack(c.id, &c.name)
	}
	return r.track
}

// storeShared writes a word that only the tree's own goroutine writes and any goroutine reads.
// As for countSwitch, an ordinary store is enough, but for the race detector.
func storeShared(p *int64, v int64) {
	if raceEnabled {
		atomic.StoreInt64(p, v)
	} else {
		*p = v
	}
}

// region begins a region with c's name on its goroutine, if an execution trace is being taken
// and c has a name, and returns the function that ends it.
func (c *core) region() (end func()) {
	if trace.IsEnabled() {
		if name := c.nameText(); name != "" {
			return trace.StartRegion(context.Background(), name).End
		}
	}
	return func() {}
}
