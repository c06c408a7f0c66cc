// Package timeline keeps what greenlets did: which one ran when, in order. Package greenlet
// writes it, while a Recording is active, and package inspect reads it.
package timeline

import (
	"sync"
	"sync/atomic"

	"github.com/go-greenlet/greenlet/internal/gort"
)

// A Kind says what an Event is.
type Kind uint8

const (
	Begin  Kind = iota // To runs as the recording begins, or its tree
	Switch             // control passed from From to To, with a value; the next three, with
	Throw              // an error,
	Panic              // a panic,
	Goexit             // runtime.Goexit
	Birth              // To was started
	End                // To has ended
	Mark               // the user's own, in To
	Close              // the tree has ended
)

// An Event is something that happened in one tree.
type Event struct {
	At       int64 // in gort.Ticks; as Lines returns it, in nanoseconds since the recording has begun
	From, To *Track
	Text     *string // a mark's
	Kind     Kind
}

// A Track stands for a greenlet.
type Track struct {
	ID   uint64
	name *atomic.Pointer[string]
}

// NewTrack makes one. The name is looked at when it is asked for.
func NewTrack(id uint64, name *atomic.Pointer[string]) *Track { return &Track{id, name} }

// Name is the greenlet's name.
func (t *Track) Name() string {
	if p := t.name.Load(); p != nil {
		return *p
	}
	return ""
}

// A chunk is a part of a tree's events. Its tree's thread writes it and says how many there
// are; so others may read that many at any time.
type chunk struct {
	lane   *Lane
	_      [0]atomic.Uint64 // so that n is aligned, on 32-bit systems, too
	n      uint64           // written by gort.StoreRelease
	events [chunkSize]Event
}

const chunkSize = 256

// A Lane takes the events of one tree. Its methods are called on the tree's thread.
type Lane struct {
	Root   *Track
	Thread int
	r      *Recording
	now    atomic.Pointer[chunk]
}

// Add notes an event. from may be nil.
func (l *Lane) Add(at int64, from, to *Track, kind Kind) {
	c := l.now.Load()
	n := c.n // nobody else writes it
	if n == chunkSize {
		c, n = l.r.next(l, c), 0
	}
	// Word by word, and not as a whole: that would be copied twice.
	e := &c.events[n%chunkSize]
	e.At, e.From, e.To, e.Text, e.Kind = at, from, to, nil, kind
	gort.StoreRelease(&c.n, n+1)
}

// Mark notes a mark of the user's.
func (l *Lane) Mark(at int64, to *Track, text string) {
	c := l.now.Load()
	n := c.n
	if n == chunkSize {
		c, n = l.r.next(l, c), 0
	}
	c.events[n] = Event{At: at, To: to, Text: &text, Kind: Mark}
	gort.StoreRelease(&c.n, n+1)
}

// A Recording is what was noted since it was started, or the last part of it.
type Recording struct {
	limit int          // of full chunks
	last  int64        // nanoseconds; 0: all
	clock func() int64 // in nanoseconds
	began stamp
	ended stamp // zero while it is active

	mu    sync.Mutex
	lanes []*Lane
	full  []*chunk // the oldest first
	lost  int
}

// A stamp is a time by both clocks.
type stamp struct{ ticks, ns int64 }

func (r *Recording) stamp() stamp { return stamp{gort.Ticks(), r.clock()} }

// nanos are the nanoseconds from r.began to at, in ticks, if it is now.
func (r *Recording) nanos(at int64, now stamp) int64 {
	ticks, ns := now.ticks-r.began.ticks, now.ns-r.began.ns
	if ticks <= 0 {
		return 0
	}
	return int64(float64(at-r.began.ticks) * float64(ns) / float64(ticks))
}

// active is the recording that is active; nil: there is none.
var active atomic.Pointer[Recording]

// Active returns the recording that trees are to write to; nil: none.
func Active() *Recording { return active.Load() }

// New makes a recording that keeps about so many events, of the last so many nanoseconds,
// if that is not 0.
func New(events int, last int64, clock func() int64) *Recording {
	return &Recording{limit: max(1, events/chunkSize), last: last, clock: clock}
}

// Start makes it the active one, unless there is one already.
func (r *Recording) Start() bool {
	r.began = r.stamp()
	return active.CompareAndSwap(nil, r)
}

// Stop ends it.
func (r *Recording) Stop() {
	active.CompareAndSwap(r, nil)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ended = r.stamp()
}

// Release forgets what was recorded, since a tree that makes no switch any more still has
// its lane.
func (r *Recording) Release() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.limit, r.full, r.lanes = 0, nil, nil
}

// Lane makes a place for a tree's events.
func (r *Recording) Lane(root *Track, thread int) *Lane {
	l := &Lane{Root: root, Thread: thread, r: r}
	l.now.Store(&chunk{lane: l})
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lanes = append(r.lanes, l)
	return l
}

// next takes a full chunk, and returns an empty one.
func (r *Recording) next(l *Lane, c *chunk) *chunk {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.full = append(r.full, c)
	drop := max(0, len(r.full)-r.limit)
	if r.last != 0 {
		now := r.stamp()
		since := now.ns - r.began.ns - r.last
		for drop < len(r.full) && r.nanos(r.full[drop].events[chunkSize-1].At, now) < since {
			drop++
		}
	}
	fresh := &chunk{}
	for i := range drop {
		if r.last == 0 {
			r.lost += chunkSize
		}
		fresh, r.full[i] = r.full[i], nil // the array stays until it is outgrown
	}
	r.full = r.full[drop:]
	fresh.lane = l
	gort.StoreRelease(&fresh.n, 0)
	l.now.Store(fresh)
	return fresh
}

// A Line is what happened in one tree, in order.
type Line struct {
	Root   *Track
	Thread int
	Events []Event
}

// Lines returns what was recorded until now or the end, between which times, and how many
// events were dropped since there were too many. Times are nanoseconds since the beginning.
func (r *Recording) Lines() (lines []Line, began, ended int64, lost int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	end := r.ended
	if end == (stamp{}) {
		end = r.stamp()
	}
	ended = end.ns - r.began.ns
	if r.last != 0 {
		began = max(0, ended-r.last)
	}
	byLane := map[*Lane][]*chunk{}
	for _, c := range r.full {
		byLane[c.lane] = append(byLane[c.lane], c)
	}
	for _, l := range r.lanes {
		line := Line{Root: l.Root, Thread: l.Thread}
		chunks := byLane[l]
		if c := l.now.Load(); len(chunks) == 0 || chunks[len(chunks)-1] != c {
			chunks = append(chunks, c)
		}
		latest := int64(0)
		for _, c := range chunks {
			for _, e := range c.events[:atomic.LoadUint64(&c.n)] {
				latest = max(latest, r.nanos(e.At, end)) // whatever processors say, it does not go back
				if e.At = latest; e.At <= ended {
					line.Events = append(line.Events, e)
				}
			}
		}
		// Of what was before, the last one says who ran.
		first := 0
		for first+1 < len(line.Events) && line.Events[first+1].At < began {
			first++
		}
		line.Events = line.Events[first:]
		lines = append(lines, line)
	}
	return lines, began, ended, r.lost
}
