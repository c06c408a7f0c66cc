package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/go-greenlet/greenlet"
	"github.com/go-greenlet/greenlet/inspect"
)

const width, height, perSecond = 800, 600, 60 // pixels, pixels, and ticks per second

// A Town has people, each of whom is a greenlet that runs a script, and one loop that resumes
// them. Only the loop's goroutine uses its fields and those of its people, except for calls and the
// atomic ones.
type Town struct {
	root   *greenlet.Greenlet
	people []*Person
	tick   int64 // number of the present tick
	random *rand.Rand
	aside  []string // people whose scripts have crashed: name and reason

	calls   chan func()            // functions that HTTP handlers send to the loop
	picture atomic.Pointer[[]byte] // JSON; the loop stores it, HTTP handlers load it; nil before the first one
}

// A Person is an inhabitant, with the script that decides what the person does.
type Person struct {
	town   *Town
	name   string
	script func(*Person)
	g      *greenlet.Greenlet // nil: put aside, after a crash or Kill
	x, y   float64
	words  string      // shown beside the person; empty: none
	wake   int64       // the tick in which the loop resumes the script
	doomed atomic.Bool // the watchdog's goroutine stores true for a script that holds the thread; start resets it
}

// NewTown makes a town of n people.
func NewTown(n int) *Town {
	t := &Town{random: rand.New(rand.NewPCG(1, 2)), calls: make(chan func())}
	for i := range n {
		p := &Person{town: t, name: fmt.Sprintf("npc-%d", i), script: []func(*Person){stroll, shop, gossip}[i%3]}
		switch i {
		case 1:
			p.name, p.script = "baker", bake
		case 2:
			p.name, p.script = "drunkard", ponder
		}
		p.x, p.y = t.random.Float64()*width, t.random.Float64()*height
		t.people = append(t.people, p)
	}
	return t
}

// Run is the loop, until stop is closed. In each tick it resumes the people who are to wake by then.
func (t *Town) Run(stop <-chan struct{}) error {
	defer inspect.Watch(200*time.Millisecond, t.tooLong)()
	return greenlet.Run(func(root *greenlet.Greenlet) error {
		t.root = root
		for _, p := range t.people {
			p.start()
		}
		clock := time.NewTicker(time.Second / perSecond)
		defer clock.Stop()
		for {
			select {
			case <-stop:
				return nil
			case f := <-t.calls:
				f()
			case <-clock.C:
				t.tick++
				for _, p := range t.people {
					if p.g != nil && p.wake <= t.tick {
						p.goOn()
					}
				}
				if t.tick%6 == 0 {
					t.paint()
				}
			}
		}
	})
}

// Do makes the loop call f, and returns when f has returned.
func (t *Town) Do(f func()) {
	done := make(chan struct{})
	t.calls <- func() { defer close(done); f() }
	<-done
}

// start makes a greenlet that runs the script from its beginning, again and again.
func (p *Person) start() {
	p.doomed.Store(false)
	p.words, p.wake = "", p.town.tick+1+p.town.random.Int64N(perSecond)
	p.g = greenlet.New(func(any) (any, error) {
		for {
			p.script(p)
			p.wait(0)
		}
	}, greenlet.WithName(p.name))
	p.g.SetValue(p)
}

// goOn resumes the script until it waits. If the script panics, the person is put aside, and the
// loop goes on with the others.
func (p *Person) goOn() {
	defer func() {
		if r := recover(); r != nil {
			p.putAside(r)
		}
	}()
	p.g.MustSwitch(nil) // the loop is the root, where MustSwitch panics with the error
}

func (p *Person) putAside(why any) {
	var crash *greenlet.PanicError
	if err, ok := why.(error); ok && errors.As(err, &crash) {
		why = crash.Value
	}
	p.g, p.words = nil, ""
	p.town.aside = append(p.town.aside, fmt.Sprintf("%s: %v", p.name, why))
}

// Kill unwinds the script from the place where it waits.
func (p *Person) Kill() error {
	if p.g == nil {
		return nil
	}
	err := p.g.Kill()
	p.g, p.words = nil, ""
	return err
}

// Reload kills the script and starts it from its beginning.
func (p *Person) Reload() error {
	err := p.Kill()
	p.start()
	return err
}

// tooLong is called with the watchdog's reports, on the watchdog's goroutine. It cannot stop a script
// from there, so it sets doomed, and the script's next call of look ends it.
func (t *Town) tooLong(r inspect.Report) {
	if p, ok := r.Greenlet.Value().(*Person); ok {
		fmt.Printf("%s has held the town up for %v\n", p.name, r.Held.Round(time.Millisecond))
		p.doomed.Store(true)
	}
}

// The functions that follow are what scripts are made of. A script may call them at any depth of
// calls, since a switch suspends the whole stack.

// wait switches to the loop, which resumes the script after so many seconds, one tick at least.
func (p *Person) wait(seconds float64) {
	p.look()
	p.wake = p.town.tick + max(1, int64(seconds*perSecond))
	p.town.root.MustSwitch(nil)
}

// look ends a doomed script. All that scripts do calls it.
func (p *Person) look() {
	if p.doomed.Load() {
		panic("it did not let go, and was killed")
	}
}

func (p *Person) walkTo(x, y float64) {
	for {
		dx, dy, far := x-p.x, y-p.y, math.Hypot(x-p.x, y-p.y)
		if far < 2 {
			return
		}
		step := min(far, 1.2)
		p.x, p.y = p.x+dx/far*step, p.y+dy/far*step
		p.wait(0)
	}
}

func (p *Person) talk(words string) {
	p.words = words
	p.wait(1.5)
	p.words = ""
}

// meet walks towards q, who may be walking, too, until they are close.
func (p *Person) meet(q *Person) {
	for math.Hypot(q.x-p.x, q.y-p.y) > 8 {
		p.walkTo(p.x+(q.x-p.x)/2, p.y+(q.y-p.y)/2)
	}
}

func stroll(p *Person) {
	r := p.town.random
	p.walkTo(r.Float64()*width, r.Float64()*height)
	p.wait(1 + r.Float64())
}

func shop(p *Person) {
	for _, stall := range [][2]float64{{200, 150}, {600, 150}, {400, 450}} {
		p.walkTo(stall[0]+p.town.random.NormFloat64()*20, stall[1]+p.town.random.NormFloat64()*20)
		p.wait(2)
	}
	stroll(p)
}

func gossip(p *Person) {
	p.meet(p.town.people[p.town.random.IntN(len(p.town.people))])
	p.talk("Have you heard?")
	stroll(p)
}

// bake crashes after some seconds: it has an index that is out of range.
func bake(p *Person) {
	oven := make([]string, 3)
	p.walkTo(400, 300)
	p.wait(2)
	oven[len(p.town.people)] = "bread"
}

// ponder computes for ever and never switches, so no other script runs until the watchdog finds it.
func ponder(p *Person) {
	p.walkTo(p.x+30, p.y)
	for doubts := 0; ; doubts++ {
		p.look()
	}
}

// A picture is the state of the town as the page's script gets it.
type picture struct {
	People []int          `json:"people"` // three numbers for each person: the greenlet's ID, 0 if put aside; x; y
	Words  map[int]string `json:"words"`  // by the person's number
	Aside  []string       `json:"aside"`
}

func (t *Town) paint() {
	now := picture{Words: map[int]string{}, Aside: append([]string{}, t.aside...)}
	for i, p := range t.people {
		now.People = append(now.People, int(p.g.ID()), int(p.x), int(p.y))
		if p.words != "" {
			now.Words[i] = p.words
		}
	}
	if b, err := json.Marshal(now); err == nil { // it always is: a picture has only integers and strings
		t.picture.Store(&b)
	}
}
