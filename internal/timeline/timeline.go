// Package timeline keeps what greenlets did: which one ran when, in order. Package greenlet
// writes events while a Recording is active, and package inspect reads them.
//
// Each tree has a Lane, to which only the tree's thread appends, without a lock. Its events are in
// chunks. The one that is being written belongs to the Lane; full ones belong to the Recording,
// which drops the oldest of all trees to stay within its bound:
//
//	Lane.now  --full-->  Recording.full  --too many or too old-->  dropped, or written again
package timeline

import (
	"cmp"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/go-greenlet/greenlet/internal/gort"
)

// A Kind is the kind of an Event.
type Kind uint8

const (
	Begin  Kind = iota // To is the running greenlet when the tree notices the recording, or before the first event that is kept
	Switch             // a switch from From to To with a value; the order of these four is that of a message's kinds
	Throw              // the same with an error
	Panic              // the same with a panic
	Goexit             // the same with runtime.Goexit
	Birth              // To was started
	End                // To has ended
	Mark               // a mark of the user's, in To
	Close              // the tree has ended
)

// An Event is something that happened in one tree.
type Event struct {
	At       int64 // in gort.Ticks; in the result of Lines, nanoseconds since the recording's start
	From, To *Track
	Text     *string // of a Mark; nil in other kinds
	Kind     Kind
}

// A Track stands for a greenlet.
type Track struct {
	ID   uint64
	name *atomic.Pointer[string] // any goroutine may store a name; nil: none
}

// NewTrack makes a Track. The name is loaded at each call of Name.
func NewTrack(id uint64, name *atomic.Pointer[string]) *Track { return &Track{id, name} }

// Name is the greenlet's name.
func (t *Track) Name() string {
	if p := t.name.Load(); p != nil {
		return *p
	}
	return ""
}

// A chunk is a part of a tree's events. The tree's thread writes an event and then stores n with
// release semantics; other goroutines load n atomically and may read that many events.
type chunk struct {
	lane   *Lane
	_      [0]atomic.Uint64 // aligns n to 8 bytes on 32-bit systems, which atomic operations need
	n      uint64           // number of events; written by the tree's thread, with gort.StoreRelease
	events []Event
}

// The chunks of a tree double in size from firstSize to chunkSize, because a process may have many
// trees with few events each.
const (
	firstSize = 16
	chunkSize = 256
)

func newChunk(l *Lane, size int) *chunk { return &chunk{lane: l, events: make([]Event, size)} }

// last returns the last event of a full chunk.
func (c *chunk) last() *Event { return &c.events[len(c.events)-1] }

// decides says whether the event determines which greenlet runs after it.
func (e *Event) decides() bool { return e.Kind != Birth && e.Kind != End && e.Kind != Mark }

// A Lane takes the events of one tree. Its methods are called on the tree's thread.
type Lane struct {
	Root   *Track
	Thread int // the OS thread's ID
	r      *Recording
	now    atomic.Pointer[chunk] // stored by the tree's thread under r.mu, loaded by Lines; nil: the tree has ended
	before Event                 // the last dropped event that decides; zero: none. Under r.mu
}

// Add appends an event. from may be nil.
func (l *Lane) Add(at int64, from, to *Track, kind Kind) {
	c := l.now.Load()
	n := c.n // an ordinary load, since only this thread writes it
	if n == uint64(len(c.events)) {
		c, n = l.r.next(l, c), 0
	}
	// Field by field, because the compiler would build a composite literal elsewhere and copy it.
	e := &c.events[n]
	e.At, e.From, e.To, e.Text, e.Kind = at, from, to, nil, kind
	gort.StoreRelease(&c.n, n+1)
}

// Mark appends a mark of the user's.
func (l *Lane) Mark(at int64, to *Track, text string) {
	c := l.now.Load()
	n := c.n
	if n == uint64(len(c.events)) {
		c, n = l.r.next(l, c), 0
	}
	c.events[n] = Event{At: at, To: to, Text: &text, Kind: Mark}
	gort.StoreRelease(&c.n, n+1)
}

// Close appends the end of the tree. No other method may be called after it.
func (l *Lane) Close(at int64) {
	l.Add(at, nil, l.Root, Close)
	r, c := l.r, l.now.Load()
	r.mu.Lock()
	defer r.mu.Unlock()
	l.now.Store(nil)
	delete(r.open, l)
	c.events = slices.Clone(c.events[:c.n]) // without the unused rest, since many trees have few events
	r.keep(c)
}

// A Recording has the events since its start, or the most recent part of them.
type Recording struct {
	limit int          // upper bound of kept; New sets it, and Release under mu
	last  int64        // how much time before the end is kept, in nanoseconds; 0: all
	clock func() int64 // in nanoseconds
	began stamp        // set by Start, before other goroutines see the recording
	ended stamp        // set by Stop, under mu; zero while the recording is active

	mu   sync.Mutex     // guards what follows
	open map[*Lane]bool // the lanes of trees that have not ended
	full []*chunk       // full chunks of all trees, and the last ones of ended trees, in the order in which keep got them
	kept int            // number of events in full
	lost int            // number of events that were dropped because of limit
}

// A stamp is one moment by both clocks, from which nanos converts ticks to nanoseconds.
type stamp struct{ ticks, ns int64 }

func (r *Recording) stamp() stamp { return stamp{gort.Ticks(), r.clock()} }

// nanos converts at, in ticks, to nanoseconds since r.began, by the rate of the ticks between
// r.began and now. It is 0 if no tick has passed.
func (r *Recording) nanos(at int64, now stamp) int64 {
	ticks, ns := now.ticks-r.began.ticks, now.ns-r.began.ns
	if ticks <= 0 {
		return 0
	}
	return int64(float64(at-r.began.ticks) * float64(ns) / float64(ticks))
}

// active is the recording to which trees write; nil: none. Start and Stop change it by
// compare-and-swap, trees load it.
var active atomic.Pointer[Recording]

// Active returns the active recording; nil: there is none.
func Active() *Recording { return active.Load() }

// New makes a recording that keeps about so many events; if last is not 0, only those of the last
// so many nanoseconds. clock is the time in nanoseconds.
func New(events int, last int64, clock func() int64) *Recording {
	return &Recording{limit: max(chunkSize, events), last: last, clock: clock, open: map[*Lane]bool{}}
}

// Start makes r the active recording. The compare-and-swap fails, and Start returns false, if
// another one is active.
func (r *Recording) Start() bool {
	r.began = r.stamp()
	return active.CompareAndSwap(nil, r)
}

// Stop ends the recording. The compare-and-swap fails if r is not the active one, since Start
// failed or Stop was called before; then the active one goes on.
func (r *Recording) Stop() {
	active.CompareAndSwap(r, nil)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ended = r.stamp()
}

// Release drops all events. It is needed because a tree refers to its lane, and by that to the
// recording, until its next switch, which may never come.
func (r *Recording) Release() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.limit, r.full, r.kept = 0, nil, 0
	clear(r.open)
}

// Lane makes the lane of a tree.
func (r *Recording) Lane(root *Track, thread int) *Lane {
	l := &Lane{Root: root, Thread: thread, r: r}
	l.now.Store(newChunk(l, firstSize))
	r.mu.Lock()
	defer r.mu.Unlock()
	r.open[l] = true
	return l
}

// next hands the full chunk c over to the recording, and returns an empty one for l.
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

// keep appends c to the full chunks, and drops the oldest ones as long as there are too many events
// or they are too old. It returns one of the dropped chunks, to be written again; nil: none was
// dropped. The caller holds mu.
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
		dropped, r.full[drop] = d, nil // append frees the array only when it is outgrown
	}
	r.full = r.full[drop:]
	return dropped
}

// A Line has the events of one tree, in order.
type Line struct {
	Root   *Track
	Thread int
	Events []Event
}

// Lines returns the events until Stop, or until now while the recording is active: the lines by
// the IDs of their roots, the times between which the events are, and how many events were
// dropped because of the limit. Times are nanoseconds since Start. A tree's first event is a Begin,
// which may be earlier than began, if it is known which greenlet ran then.
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
				latest = max(latest, r.nanos(e.At, end)) // the ticks of two processors may differ; time must not go back
				switch e.At = latest; {
				case e.At > ended:
				case e.At >= began:
					line.Events = append(line.Events, e)
				case e.decides():
					ran = e
				}
			}
		}
		// The last deciding event before the first kept one tells which greenlet runs there.
		if ran.To != nil && ran.Kind != Close {
			line.Events = slices.Insert(line.Events, 0, Event{At: ran.At, To: ran.To, Kind: Begin})
		}
		lines = append(lines, line)
	}
	slices.SortFunc(lines, func(a, b Line) int { return cmp.Compare(a.Root.ID, b.Root.ID) })
	return lines, began, ended, r.lost
}
