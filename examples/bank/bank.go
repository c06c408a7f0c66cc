// Command bank simulates a bank: customers come at random, wait in one queue for one
// of several tellers, are served, and go. Time is virtual.
//
// Each customer is a greenlet, and the scheduler is ours: a heap of greenlets by the
// time at which they go on. That is all it takes.
package main

import (
	"container/heap"
	"math/rand/v2"

	"github.com/go-greenlet/greenlet"
)

// A World has the time, and those who wait for some later time.
type World struct {
	root *greenlet.Greenlet
	now  float64
	heap events
	last int
}

type event struct {
	at float64
	n  int // of two at the same time, the one that was first
	g  *greenlet.Greenlet
}

type events []event

func (e events) Len() int { return len(e) }
func (e events) Less(i, j int) bool {
	return e[i].at < e[j].at || e[i].at == e[j].at && e[i].n < e[j].n
}
func (e events) Swap(i, j int) { e[i], e[j] = e[j], e[i] }
func (e *events) Push(x any)   { *e = append(*e, x.(event)) }
func (e *events) Pop() any {
	old := *e
	x := old[len(old)-1]
	old[len(old)-1] = event{}
	*e = old[:len(old)-1]
	return x
}

// at lets g go on after a delay.
func (w *World) at(delay float64, g *greenlet.Greenlet) {
	w.last++
	heap.Push(&w.heap, event{w.now + delay, w.last, g})
}

// Go starts f after a delay.
func (w *World) Go(delay float64, f func()) {
	w.at(delay, greenlet.New(func(any) (any, error) { f(); return nil, nil }, greenlet.WithParent(w.root)))
}

// Sleep lets time pass for the caller.
func (w *World) Sleep(d float64) {
	w.at(d, greenlet.Current())
	w.suspend()
}

// suspend goes back to the scheduler, which is the root.
func (w *World) suspend() {
	if _, err := w.root.Switch(nil); err != nil {
		panic(err) // somebody ends the world
	}
}

// Run lets everything happen, in order.
func (w *World) Run() error {
	for len(w.heap) > 0 {
		e := heap.Pop(&w.heap).(event)
		w.now = e.at
		if _, err := e.g.Switch(nil); err != nil {
			return err
		}
	}
	return nil
}

// Tellers are served from one queue.
type Tellers struct {
	world *World
	free  int
	queue []*greenlet.Greenlet
}

// Get waits for a teller.
func (t *Tellers) Get() {
	if t.free > 0 {
		t.free--
		return
	}
	t.queue = append(t.queue, greenlet.Current())
	t.world.suspend() // whoever puts one back, gives it to us
}

// Put gives a teller back.
func (t *Tellers) Put() {
	if len(t.queue) == 0 {
		t.free++
		return
	}
	t.world.at(0, t.queue[0])
	t.queue = t.queue[1:]
}

// A Bank is what is simulated: how many customers come and are served in a unit of
// time, each at random (exponential times).
type Bank struct {
	Arrivals, Service float64
	Tellers           int
	Customers         int
	Seed              uint64
}

// Simulate returns how long each customer has waited, in the order of arrival.
func (b Bank) Simulate() (waits []float64, err error) {
	_, waits, err = b.simulate()
	return waits, err
}

// simulate returns, too, when each customer came.
func (b Bank) simulate() (came, waits []float64, err error) {
	came, waits = make([]float64, b.Customers), make([]float64, b.Customers)
	err = greenlet.Run(func(root *greenlet.Greenlet) error {
		w := &World{root: root}
		r := rand.New(rand.NewPCG(b.Seed, 0))
		tellers := &Tellers{world: w, free: b.Tellers}
		w.Go(0, func() {
			for i := range waits {
				w.Sleep(r.ExpFloat64() / b.Arrivals)
				w.Go(0, func() {
					came[i] = w.now
					tellers.Get()
					waits[i] = w.now - came[i]
					w.Sleep(r.ExpFloat64() / b.Service)
					tellers.Put()
				})
			}
		})
		return w.Run()
	})
	return came, waits, err
}
