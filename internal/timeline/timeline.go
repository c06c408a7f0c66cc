// Package timeline keeps what greenlets did: which one ran when, in order. Package greenlet
// writes it, while a Recording is active, and package inspect reads it.
package timeline

import (
	"cmp"
	"slices"
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
	events []Event
}

// Chunks of a tree get larger, since there may be many trees with few events each.
const (
	firstSize = 16
	chunkSize = 256
)

func newChunk(l *Lane, size int) *chunk { return &chunk{lane: l, events: make([]Event, size)} }

// last is the last event of a chunk that is full.
func (c *chunk) last() *Event { return &c.events[len(c.events)-1] }

// decides says whether it tells who runs from then on.
func (e *Event) decides() bool { return e.Kind != Birth && e.Kind != End && e.Kind != Mark }

// A Lane takes the events of one tree. Its methods are called on the tree's thread.
type Lane struct {
	Root   *Track
	Thread int
	r      *Recording
	now    atomic.Pointer[chunk] // nil: the tree has ended
	before Event                 // the last one that was dropped and tells who ran; under r.mu
}

// Add notes an event. from may be nil.
func (l *Lane) Add(at int64, from, to *Track, kind Kind) {
	c := l.now.Load()
	n := c.n // nobody else writes it
	if n == uint64(len(c.events)) {
		c, n = l.r.next(l, c), 0
	}
	// Word by word, and not as a whole: that would be copied twice.
	e := &c.events[n]
	e.At, e.From, e.To, e.Text, e.Kind = at, from, to, nil, kind
	gort.StoreRelease(&c.n, n+1)
}

// Mark notes a mark of the user's.
func (l *Lane) Mark(at int64, to *Track, text string) {
	c := l.now.Load()
	n := c.n
	if n == uint64(len(c.events)) {
		c, n = l.r.next(l, c), 0
	}
	c.events[n] = Event{At: at, To: to, Text: &text, Kind: Mark}
	gort.StoreRelease(&c.n, n+1)
}

// Close notes that the tree has ended. The lane is not used any more.
func (l *Lane) Close(at int64) {
	l.Add(at, nil, l.Root, Close)
	r, c := l.r, l.now.Load()
	r.mu.Lock()
	defer r.mu.Unlock()
	l.now.Store(nil)
	delete(r.open, l)
	c.events = slices.Clone(c.events[:c.n]) // many trees have few
	r.keep(c)
}

// A Recording is what was noted since it was started, or the last part of it.
type Recording struct {
	limit int          // of events in full chunks
	last  int64        // nanoseconds; 0: all
	clock func() int64 // in nanoseconds
	began stamp
	ended stamp // zero while it is active

	mu   sync.Mutex
	open map[*Lane]bool // of trees that have not ended
	full []*chunk       // the oldest first; those of trees that have ended, too
	kept int            // how many events those have
	lost int
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
	return &Recording{limit: max(chunkSize, events), last: last, clock: clock, open: map[*Lane]bool{}}
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
	r.limit, r.full, r.kept = 0, nil, 0
	clear(r.open)
}

// Lane makes a place for a tree's events.
func (r *Recording) Lane(root *Track, thread int) *Lane {
	l := &Lane{Root: root, Thread: thread, r: r}
	l.now.Store(newChunk(l, firstSize))
	r.mu.Lock()
	defer r.mu.Unlock()
	r.open[l] = true
	return l
}

// next takes a full chunk, and returns an empty one.
func (r *Recording) next(l *Lane, c *chunk) *chunk {
	r.mu.Lock()
	defer r.mu.Unlock()
	fresh := r.keep(c)
	if size := min(2*len(c.events), chunkSize); fresh == nil || len(fresh.events) != size {
		fresh = newChunk(l, size)
	}
	fresh.lane = l
	gort.StoreRelease(&fresh.n, 0)
	l.now.Store(fresh)
	return fresh
}

// keep takes a full chunk, and drops the oldest ones if there are too many events then, or if
// they are too old. It returns one of those, to be used again. Its caller has locked mu.
func (r *Recording) keep(c *chunk) (dropped *chunk) {
	r.full = append(r.full, c)
	r.kept += len(c.events)
	old := func(*chunk) bool { return false }
	if r.last != 0 {
		now := r.stamp()
		since := now.ns - r.began.ns - r.last
		old = func(c *chunk) bool { return r.nanos(c.last().At, now) < since }
	}
	drop := 0
	for ; drop < len(r.full); drop++ {
		d := r.full[drop]
		if tooOld := old(d); !tooOld {
			if r.kept <= r.limit {
				break
			}
			r.lost += len(d.events)
		}
		for i := len(d.events) - 1; i >= 0; i-- {
			if d.events[i].decides() {
				d.lane.before = d.events[i]
				break
			}
		}
		r.kept -= len(d.events)
		dropped, r.full[drop] = d, nil // the array stays until it is outgrown
	}
	r.full = r.full[drop:]
	return dropped
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
	for l := range r.open {
		byLane[l] = nil
	}
	for _, c := range r.full {
		byLane[c.lane] = append(byLane[c.lane], c)
	}
	for l, chunks := range byLane {
		line := Line{Root: l.Root, Thread: l.Thread}
		if c := l.now.Load(); c != nil {
			chunks = append(chunks, c)
		}
		latest, ran := int64(0), l.before
		ran.At = max(0, r.nanos(ran.At, end))
		for _, c := range chunks {
			for _, e := range c.events[:atomic.LoadUint64(&c.n)] {
				latest = max(latest, r.nanos(e.At, end)) // whatever processors say, it does not go back
				switch e.At = latest; {
				case e.At > ended:
				case e.At >= began:
					line.Events = append(line.Events, e)
				case e.decides():
					ran = e
				}
			}
		}
		// Of what was before, the last one says who ran.
		if ran.To != nil && ran.Kind != Close {
			line.Events = slices.Insert(line.Events, 0, Event{At: ran.At, To: ran.To, Kind: Begin})
		}
		lines = append(lines, line)
	}
	slices.SortFunc(lines, func(a, b Line) int { return cmp.Compare(a.Root.ID, b.Root.ID) })
	return lines, began, ended, r.lost
}
