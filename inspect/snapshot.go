package inspect

import (
	"context"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/go-greenlet/greenlet"
	"github.com/go-greenlet/greenlet/internal/layer"
)

// The types with tags are the JSON form of the answers, which other programs read. A field whose
// zero value has no meaning of its own is left out when it is zero.

type snapshot struct {
	Time     time.Time  `json:"time"` // when the look began
	Engine   string     `json:"engine"`
	Trees    []tree     `json:"trees"`
	Tasklets []tasklets `json:"tasklets"`
}

type tree struct {
	Root      uint64   `json:"root"`
	Thread    int      `json:"thread"`
	Running   uint64   `json:"running"`
	Greenlets []*entry `json:"greenlets"` // the root first, then by age
}

type entry struct {
	ID         uint64     `json:"id"`
	Name       string     `json:"name"`
	State      string     `json:"state"`
	Parent     uint64     `json:"parent"`
	Where      *where     `json:"where,omitempty"`
	SinceMs    float64    `json:"since_ms"`              // time in this state; 0: not known, see Info.Since
	AtLeastMs  float64    `json:"at_least_ms,omitempty"` // time in this state, a lower bound from earlier looks; see looks
	Switches   uint64     `json:"switches"`
	PerSecond  float64    `json:"per_second,omitempty"` // switches per second, since an earlier look
	CStack     int        `json:"c_stack,omitempty"`
	CStackUsed int        `json:"c_stack_used"`
	Created    *time.Time `json:"created,omitempty"`
	CreatedAt  *where     `json:"created_at,omitempty"`
	Root       uint64     `json:"root,omitempty"`
	Thread     int        `json:"thread,omitempty"`
	Stack      []where    `json:"stack,omitempty"`
	Depth      int        `json:"-"` // levels below the root, on the page; set by asTree
}

type where struct {
	Func string `json:"func"`
	File string `json:"file"`
	Line int    `json:"line"`
}

type tasklets struct {
	Root       uint64    `json:"root"`
	Ring       []uint64  `json:"ring"` // the running tasklet first
	Channels   []channel `json:"channels"`
	Waits      []channel `json:"waits,omitempty"`      // tasklets that wait for something other than a channel
	Deadlock   bool      `json:"deadlock,omitempty"`   // the tasklets on channels wait for each other, or for the main tasklet
	Unanswered bool      `json:"unanswered,omitempty"` // the thread has called no tasklet operation within patience
}

type channel struct {
	Name    string   `json:"name"`
	Balance int      `json:"balance"` // number of waiting senders; negative: of waiting receivers
	Waiting []uint64 `json:"waiting"`
}

// A placeCache has one where for each place that a look meets, by program counter: many greenlets are
// suspended at few places.
type placeCache map[uintptr]*where

func (p placeCache) of(f *runtime.Frame) *where {
	if f.Function == "" {
		return nil
	}
	w := p[f.PC]
	if w == nil || w.Line != f.Line { // inlined calls have the PC of their caller, and another line
		w = &where{f.Function, f.File, f.Line}
		p[f.PC] = w
	}
	return w
}

func (p placeCache) entry(i *greenlet.Info) *entry {
	o := &entry{
		ID: i.ID, Name: i.Name, State: i.State.String(), Parent: i.Parent, Where: p.of(&i.SuspendedAt),
		SinceMs: ms(i.Since), Switches: i.Switches, CStack: i.CStack, CStackUsed: i.CStackUsed, CreatedAt: p.of(&i.CreatedAt),
	}
	if created := i.Created; !created.IsZero() { // a copy: a pointer into i would have each Info allocated
		o.Created = &created
	}
	return o
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// look takes a snapshot of all trees. It stops neither the world nor a tree.
func look(t []tasklets) snapshot {
	s := snapshot{Time: time.Now(), Engine: greenlet.Runtime(), Trees: []tree{}, Tasklets: t}
	var current *tree
	p := placeCache{}
	for g := range greenlet.All() {
		i := g.Info()
		switch {
		case i.State == greenlet.Dead:
			continue
		case g.IsRoot():
			s.Trees = append(s.Trees, tree{Root: i.ID, Thread: i.Thread})
			current = &s.Trees[len(s.Trees)-1]
		case current == nil || current.Root != i.Root:
			continue // its root has ended since All began, or another tree has taken it over
		}
		if i.State == greenlet.Running {
			current.Running = i.ID
		}
		current.Greenlets = append(current.Greenlets, p.entry(&i))
	}
	earlier.compare(&s)
	return s
}

// lookAt returns one greenlet, with its whole stack.
func lookAt(g *greenlet.Greenlet) *entry {
	i := g.Info()
	o := placeCache{}.entry(&i)
	o.Root, o.Thread = i.Root, i.Thread
	for _, f := range g.Stack() {
		o.Stack = append(o.Stack, where{f.Function, f.File, f.Line})
	}
	return o
}

// earlier is what the looks of all clients have found so far.
var earlier looks

// looks compares each look with earlier ones. From the difference come each greenlet's rate of
// switches, and a lower bound of the time in its state, which therefore costs no clock at switches.
type looks struct {
	mu    sync.Mutex
	seen  map[uint64]seen // by ID; nil: there was no look yet
	round int             // number of looks so far
}

// seen is what earlier looks have found of one greenlet. Times are since began.
type seen struct {
	since    time.Duration // begin of the first look that found it in this state
	last     uint64        // its count of switches at the last look
	at       time.Duration // begin of the look from which the rate is computed
	switches uint64        // its count of switches at that look
	rate     float64       // switches per second
	running  bool          // its state at the last look
	round    int           // the last look that found it
}

// began is the origin of the times in seen, earlier than all looks.
var began = time.Now()

// apart is the minimal time between two looks from which a rate is computed. Several clients look
// independently, so two looks may follow each other at once.
const apart = 200 * time.Millisecond

// compare sets the rates and times of s, and remembers s. Looks end, and are compared, in another
// order than that in which they began, so time can go back from one call to the next.
func (l *looks) compare(s *snapshot) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.seen == nil {
		l.seen = map[uint64]seen{}
	}
	l.round++
	now := s.Time.Sub(began)
	for _, t := range s.Trees {
		for _, g := range t.Greenlets {
			n := seen{now, g.Switches, now, g.Switches, 0, g.ID == t.Running, l.round}
			if p, ok := l.seen[g.ID]; ok {
				if p.running == n.running && p.last == n.last {
					n.since = min(p.since, now)
				}
				if d := now - p.at; d >= apart {
					n.rate = max(0, float64(int64(n.switches-p.switches))/d.Seconds())
				} else {
					n.at, n.switches, n.rate = p.at, p.switches, p.rate
				}
			}
			g.PerSecond, g.AtLeastMs = n.rate, ms(now-n.since)
			l.seen[g.ID] = n
		}
	}
	for id, n := range l.seen {
		if n.round != l.round {
			delete(l.seen, id)
		}
	}
}

// patience is how long lookAtTasklets waits for the answers of all roots' threads together.
const patience = 50 * time.Millisecond

// lookAtTasklets asks each tree that has tasklets for its ring and its waits. Only the root's thread may
// read them, and it answers at its next operation of package tasklet.
func lookAtTasklets() []tasklets {
	all := []tasklets{}
	type asked struct {
		root   uint64
		answer *layer.Answer
	}
	var looks []asked
	for _, t := range layer.Trees() {
		if t.Kept != nil {
			looks = append(looks, asked{t.Root, t.Kept.Look()})
		}
	}
	timeout, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for _, a := range looks {
		select {
		case <-a.answer.Done:
		case <-timeout.Done():
		}
		root, l := a.root, &a.answer.Tasklets
		select {
		case <-a.answer.Done: // after the timeout, too, if the answer is there by now
		default:
			all = append(all, tasklets{Root: root, Ring: []uint64{}, Channels: []channel{}, Unanswered: true})
			continue
		}
		t := tasklets{Root: root, Ring: l.Ring, Channels: []channel{}}
		if t.Ring == nil {
			t.Ring = []uint64{}
		}
		for _, w := range l.Waits {
			in, by := &t.Waits, 0
			if w.Channel {
				in, by = &t.Channels, -1
				if w.Send {
					by = 1
				}
			}
			at := slices.IndexFunc(*in, func(c channel) bool { return c.Name == w.On })
			if at < 0 {
				at = len(*in)
				*in = append(*in, channel{Name: w.On})
			}
			c := &(*in)[at]
			c.Balance += by
			c.Waiting = append(c.Waiting, w.ID)
		}
		// With nothing in the ring but the main tasklet, and nothing awaited from outside, only the
		// main tasklet can make one of those on channels ready.
		others := slices.ContainsFunc(l.Ring, func(id uint64) bool { return id != root })
		t.Deadlock = len(t.Channels) > 0 && !others && l.Awaited == 0
		all = append(all, t)
	}
	return all
}
