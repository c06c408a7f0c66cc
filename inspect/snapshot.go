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

// These are the JSON forms. A zero that says nothing is left out.

type snapshot struct {
	Time     time.Time  `json:"time"`
	Engine   string     `json:"engine"`
	Trees    []tree     `json:"trees"`
	Tasklets []tasklets `json:"tasklets"`
}

type tree struct {
	Root      uint64      `json:"root"`
	Thread    int         `json:"thread"`
	Running   uint64      `json:"running"`
	Greenlets []*oneOfAll `json:"greenlets"` // the root first, then by age
}

type oneOfAll struct {
	ID         uint64     `json:"id"`
	Name       string     `json:"name"`
	State      string     `json:"state"`
	Parent     uint64     `json:"parent"`
	Where      *where     `json:"where,omitempty"`
	SinceMs    float64    `json:"since_ms"`
	AtLeastMs  float64    `json:"at_least_ms,omitempty"` // in this state, as was seen from look to look
	Switches   uint64     `json:"switches"`
	PerSecond  float64    `json:"per_second,omitempty"` // switches, since an earlier look
	CStack     int        `json:"c_stack,omitempty"`
	CStackUsed int        `json:"c_stack_used"`
	Created    *time.Time `json:"created,omitempty"`
	CreatedAt  *where     `json:"created_at,omitempty"`
	Root       uint64     `json:"root,omitempty"`
	Thread     int        `json:"thread,omitempty"`
	Stack      []where    `json:"stack,omitempty"`
	Depth      int        `json:"-"` // in the page's tree
}

type where struct {
	Func string `json:"func"`
	File string `json:"file"`
	Line int    `json:"line"`
}

type tasklets struct {
	Root       uint64    `json:"root"`
	Ring       []uint64  `json:"ring"` // the one that runs first
	Channels   []channel `json:"channels"`
	Waits      []channel `json:"waits,omitempty"`      // for other things than channels
	Deadlock   bool      `json:"deadlock,omitempty"`   // those on channels wait for each other, or for the main tasklet
	Unanswered bool      `json:"unanswered,omitempty"` // the thread has called no tasklet operation meanwhile
}

type channel struct {
	Name    string   `json:"name"`
	Balance int      `json:"balance"` // senders that wait, or less than 0: receivers
	Waiting []uint64 `json:"waiting"`
}

// places are those that are known in a look: there are few.
type places map[uintptr]*where

func (p places) of(f *runtime.Frame) *where {
	if f.Function == "" {
		return nil
	}
	w := p[f.PC]
	if w == nil || w.Line != f.Line { // of inlined functions several have one PC
		w = &where{f.Function, f.File, f.Line}
		p[f.PC] = w
	}
	return w
}

func (p places) one(i *greenlet.Info) *oneOfAll {
	o := &oneOfAll{
		ID: i.ID, Name: i.Name, State: i.State.String(), Parent: i.Parent, Where: p.of(&i.SuspendedAt),
		SinceMs: ms(i.Since), Switches: i.Switches, CStack: i.CStack, CStackUsed: i.CStackUsed, CreatedAt: p.of(&i.CreatedAt),
	}
	if !i.Created.IsZero() {
		o.Created = &i.Created
	}
	return o
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// look is what there is to be seen now. It stops nobody.
func look(t []tasklets) snapshot {
	s := snapshot{Time: time.Now(), Engine: greenlet.Runtime(), Trees: []tree{}, Tasklets: t}
	var in *tree
	p := places{}
	for g := range greenlet.All() {
		i := g.Info()
		switch {
		case i.State == greenlet.Dead:
			continue
		case g.IsRoot():
			s.Trees = append(s.Trees, tree{Root: i.ID, Thread: i.Thread})
			in = &s.Trees[len(s.Trees)-1]
		case in == nil || in.Root != i.Root:
			continue // its root has ended in between
		}
		if i.State == greenlet.Running {
			in.Running = i.ID
		}
		in.Greenlets = append(in.Greenlets, p.one(&i))
	}
	earlier.compare(&s)
	return s
}

// lookAt is one greenlet, with its whole stack.
func lookAt(g *greenlet.Greenlet) *oneOfAll {
	i := g.Info()
	o := places{}.one(&i)
	o.Root, o.Thread = i.Root, i.Thread
	for _, f := range g.Stack() {
		o.Stack = append(o.Stack, where{f.Function, f.File, f.Line})
	}
	return o
}

// earlier is the look that others are compared with, to tell how often each greenlet was
// switched to, and for how long at least it has been in its state: no clock is on for that.
var earlier looks

type looks struct {
	mu    sync.Mutex
	seen  map[uint64]seen
	round int // of looks
}

type seen struct {
	since    time.Duration // of the first look that found it in this state, from began on
	last     uint64        // the number of switches then
	at       time.Duration // of the look that the rate is counted from
	switches uint64        // then
	rate     float64
	running  bool
	round    int
}

// began is some time before all looks.
var began = time.Now()

// apart is how much two looks are apart that are compared: several clients may look.
const apart = 200 * time.Millisecond

// compare is called when a look is done, and looks that were begun at about the same time are
// not done in that order.
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

// patience is how long a root's thread has to answer what its tasklets do.
const patience = 50 * time.Millisecond

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
		case <-a.answer.Done:
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
		others := slices.ContainsFunc(l.Ring, func(id uint64) bool { return id != root })
		t.Deadlock = len(t.Channels) > 0 && !others && l.Awaited == 0
		all = append(all, t)
	}
	return all
}
