// Package timeline keeps what greenlets did: which one ran when, in order. Package greenlet
// writes it, while a Recording is active, and package inspect reads it.
package timeline

import (
	"sync"
	"sync/atomic"
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
	At       int64 // by the runtime's monotonic clock, in nanoseconds
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
	n      atomic.Uint32
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

// Add notes an event. The Lane may be nil.
func (l *Lane) Add(e Event) {
	c := l.now.Load()
	n := c.n.Load()
	if n == chunkSize {
		c, n = l.r.next(l, c), 0
	}
	c.events[n] = e
	c.n.Store(n + 1)
}

// A Recording is what was noted since it was started, or the last part of it.
type Recording struct {
	limit int   // of full chunks
	last  int64 // nanoseconds; 0: all
	clock func() int64
	began int64
	ended int64

	mu    sync.Mutex
	lanes []*Lane
	full  []*chunk // the oldest first
	lost  int
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
	r.began = r.clock()
	return active.CompareAndSwap(nil, r)
}

// Stop ends it.
func (r *Recording) Stop() {
	active.CompareAndSwap(r, nil)
	r.ended = r.clock()
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
		for drop < len(r.full) && r.full[drop].events[chunkSize-1].At < r.clock()-r.last {
			drop++
		}
	}
	for i := range drop {
		if r.last == 0 {
			r.lost += chunkSize
		}
		r.full[i] = nil
	}
	if r.full = r.full[drop:]; r.last != 0 && drop > 0 && r.full == nil {
		r.full = nil
	}
	fresh := &chunk{lane: l}
	l.now.Store(fresh)
	return fresh
}

// A Line is what happened in one tree, in order.
type Line struct {
	Root   *Track
	Thread int
	Events []Event
}

// Lines returns what was recorded until now, when it began and ended, and how many events
// were dropped since there were too many.
func (r *Recording) Lines() (lines []Line, began, ended int64, lost int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	began, ended = r.began, r.ended
	if ended == 0 {
		ended = r.clock()
	}
	if r.last != 0 {
		began = max(began, ended-r.last)
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
		for _, c := range chunks {
			for _, e := range c.events[:c.n.Load()] {
				if e.At <= ended {
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
