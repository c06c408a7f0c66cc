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

const width, height, perSecond = 800, 600, 60 // pixels; ticks

// A Town has people, each of whom is a greenlet that runs a script, and one loop that lets
// them go on. All of it but what is atomic belongs to the loop's goroutine.
type Town struct {
	root   *greenlet.Greenlet
	people []*Person
	tick   int64
	random *rand.Rand

	calls   chan func()            // from the web, for the loop
	picture atomic.Pointer[[]byte] // of the last tick, for the web
	aside   []string               // who has crashed, and of what
}

// A Person is somebody in town.
type Person struct {
	town   *Town
	name   string
	script func(*Person)
	g      *greenlet.Greenlet // nil: put aside
	x, y   float64
	words  string
	wake   int64       // the tick in which the script goes on
	doomed atomic.Bool // the watchdog has seen that it does not let go
}

// NewTown makes a town of so many people.
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

// Run is the loop, until stop is closed. Each person whose time has come goes on once a tick.
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

// Do has the loop call f, and waits for it.
func (t *Town) Do(f func()) {
	done := make(chan struct{})
	t.calls <- func() { defer close(done); f() }
	<-done
}

// start begins the script from its beginning.
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

// goOn lets the script run until it waits. One that crashes is put aside; the town lives on.
func (p *Person) goOn() {
	defer func() {
		if r := recover(); r != nil {
			p.putAside(r)
		}
	}()
	p.g.MustSwitch(nil) // at the root it panics with an error
}

func (p *Person) putAside(why any) {
	var crash *greenlet.PanicError
	if err, ok := why.(error); ok && errors.As(err, &crash) {
		why = crash.Value
	}
	p.g, p.words = nil, ""
	p.town.aside = append(p.town.aside, fmt.Sprintf("%s: %v", p.name, why))
}

// Kill ends the script where it waits. Reload begins it again.
func (p *Person) Kill() error {
	if p.g == nil {
		return nil
	}
	err := p.g.Kill()
	p.g, p.words = nil, ""
	return err
}

func (p *Person) Reload() error {
	err := p.Kill()
	p.start()
	return err
}

// tooLong is the watchdog's report, on its own goroutine. A script that does not let go is
// doomed: the next thing that it does in town ends it.
func (t *Town) tooLong(r inspect.Report) {
	if p, ok := r.Greenlet.Value().(*Person); ok {
		fmt.Printf("%s has held the town up for %v\n", p.name, r.Held.Round(time.Millisecond))
		p.doomed.Store(true)
	}
}

// What scripts are made of. Each of these may be called at any depth of calls.

// wait lets the others go on for so many seconds, one tick at least.
func (p *Person) wait(seconds float64) {
	p.look()
	p.wake = p.town.tick + max(1, int64(seconds*perSecond))
	p.town.root.MustSwitch(nil)
}

// look is what every script does all the time.
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

// meet goes where the other one is by then.
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

// bake crashes after a while.
func bake(p *Person) {
	oven := make([]string, 3)
	p.walkTo(400, 300)
	p.wait(2)
	oven[len(p.town.people)] = "bread"
}

// ponder never comes to an end, and lets nobody else go on.
func ponder(p *Person) {
	p.walkTo(p.x+30, p.y)
	for doubts := 0; ; doubts++ {
		p.look()
	}
}

// A picture is what the web gets.
type picture struct {
	People []int          `json:"people"` // of each the greenlet's number, 0 if put aside, and x and y
	Words  map[int]string `json:"words"`
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
	if b, err := json.Marshal(now); err == nil { // of such a thing it always can
		t.picture.Store(&b)
	}
}
