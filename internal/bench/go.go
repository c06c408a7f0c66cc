package bench

import (
	"errors"
	"iter"
	"math/rand/v2"
	"sync/atomic"

	"github.com/go-greenlet/greenlet"
	"github.com/go-greenlet/greenlet/internal/cbench"
)

// ring is n greenlets, each of which switches to the next, for ever.
func ring(n int) Side {
	return Side{"greenlet", func(measure func(op func(n int))) error {
		return greenlet.Run(func(root *greenlet.Greenlet) error {
			all := make([]*greenlet.Greenlet, n)
			left := 0
			for i := range all {
				all[i] = greenlet.New(func(any) (any, error) {
					next := all[(i+1)%n]
					for {
						to := next
						if left--; left < 0 {
							to = root
						}
						if _, err := to.Switch(nil); err != nil {
							return nil, err
						}
					}
				})
			}
			left = n // all start
			if _, err := all[0].Switch(nil); err != nil {
				return err
			}
			var err error
			measure(func(n int) {
				left = n
				_, err = all[0].Switch(nil)
			})
			return err
		})
	}}
}

// pair is the root and one greenlet, which switch to each other.
func pair() Side {
	return Side{"greenlet", func(measure func(op func(n int))) error {
		return greenlet.Run(func(root *greenlet.Greenlet) error {
			g := greenlet.New(func(any) (any, error) {
				for {
					if _, err := root.Switch(nil); err != nil {
						return nil, err
					}
				}
			})
			if _, err := g.Switch(nil); err != nil {
				return err
			}
			var err error
			measure(func(ways int) {
				for ; ways > 0 && err == nil; ways -= 2 {
					_, err = g.Switch(nil)
				}
			})
			return err
		})
	}}
}

// inTurn is n iterators of iter.Pull, called without frames in between, as the greenlets of
// ring switch. A next is two ways.
func inTurn(n int) Side {
	return Side{"iter.Pull", func(measure func(op func(n int))) error {
		nexts, stop := pulls(n, forever)
		defer stop()
		i := 0
		measure(func(ways int) {
			for ; ways > 0; ways -= 2 {
				if i++; i >= n {
					i = 0
				}
				nexts[i]()
			}
		})
		return nil
	}}
}

// pulls makes n iterators over seq and starts them.
func pulls(n int, seq iter.Seq[int]) (nexts []func() (int, bool), stop func()) {
	nexts = make([]func() (int, bool), n)
	stops := make([]func(), n)
	for i := range nexts {
		nexts[i], stops[i] = iter.Pull(seq)
		nexts[i]()
	}
	return nexts, func() {
		for _, stop := range stops {
			stop()
		}
	}
}

// through calls f below that many frames, which all return.
//
//go:noinline
func through(frames int, f func() bool) bool {
	if frames == 0 {
		return f()
	}
	return through(frames-1, f)
}

// channel is a goroutine that answers over unbuffered channels.
func channel(lockThreads bool) Side {
	lock, name := func(f func() error) error { return f() }, "channel"
	if lockThreads {
		lock, name = locked, "channel-locked"
	}
	return Side{name, func(measure func(op func(n int))) error {
		return lock(func() error {
			to, from := make(chan int), make(chan int)
			go func() {
				_ = lock(func() error {
					for v := range to {
						from <- v
					}
					return nil
				})
			}()
			measure(func(ways int) {
				for ; ways > 0; ways -= 2 {
					to <- 1
					<-from
				}
			})
			close(to)
			return nil
		})
	}}
}

// order says who is next, at random, among that many.
func order(live int) []uint16 {
	r := rand.New(rand.NewPCG(1, uint64(live)))
	order := make([]uint16, 1<<16)
	for i := range order {
		order[i] = uint16(r.IntN(live))
	}
	return order
}

// Random is that many greenlets that the root switches to in random order, with
// frames on either side that return after every switch.
func Random(live, frames int) Side {
	return Side{"greenlet", func(measure func(op func(n int))) error {
		return greenlet.Run(func(root *greenlet.Greenlet) error {
			out := func() bool { _, err := root.Switch(nil); return err == nil }
			all := make([]*greenlet.Greenlet, live)
			for i := range all {
				all[i] = greenlet.New(func(any) (any, error) {
					for through(frames, out) {
					}
					return nil, nil
				})
				if _, err := all[i].Switch(nil); err != nil {
					return err
				}
			}
			var g *greenlet.Greenlet
			in := func() bool { _, err := g.Switch(nil); return err == nil }
			order, i := order(live), 0
			measure(func(ways int) {
				for ; ways > 0; ways -= 2 {
					i++
					g = all[order[i%len(order)]]
					through(frames, in)
				}
			})
			return nil
		})
	}}
}

// RandomPull is the same with iter.Pull.
func RandomPull(live, frames int) Side {
	return Side{"iter.Pull", func(measure func(op func(n int))) error {
		nexts, stop := pulls(live, func(yield func(int) bool) {
			out := func() bool { return yield(1) }
			for through(frames, out) {
			}
		})
		defer stop()
		var next func() (int, bool)
		in := func() bool { _, ok := next(); return ok }
		order, i := order(live), 0
		measure(func(ways int) {
			for ; ways > 0; ways -= 2 {
				i++
				next = nexts[order[i%len(order)]]
				through(frames, in)
			}
		})
		return nil
	}}
}

// RandomChannels is that many goroutines that answer over unbuffered channels.
func RandomChannels(live int) Side {
	return Side{"channel", func(measure func(op func(n int))) error {
		type pair struct{ to, from chan int }
		all := make([]pair, live)
		for i := range all {
			p := pair{make(chan int), make(chan int)}
			all[i] = p
			go func() {
				for v := range p.to {
					p.from <- v
				}
			}()
			p.to <- 1
			<-p.from
		}
		order, i := order(live), 0
		measure(func(ways int) {
			for ; ways > 0; ways -= 2 {
				i++
				p := all[order[i%len(order)]]
				p.to <- 1
				<-p.from
			}
		})
		for _, p := range all {
			close(p.to)
		}
		return nil
	}}
}

type pull func(iter.Seq[int]) (func() (int, bool), func())

func iterPull(seq iter.Seq[int]) (func() (int, bool), func()) { return iter.Pull(seq) }

func forever(yield func(int) bool) {
	for yield(1) {
	}
}

func next(name string, pull pull) Side {
	return Side{name, func(measure func(op func(n int))) error {
		next, stop := pull(forever)
		defer stop()
		measure(func(n int) {
			for range n {
				next()
			}
		})
		return nil
	}}
}

func resume() Side {
	return Side{"Coroutine", func(measure func(op func(n int))) error {
		c := greenlet.NewCoroutine(func(yield func(int) (int, error), v int) (err error) {
			for err == nil {
				v, err = yield(v)
			}
			return err
		})
		var err error
		measure(func(n int) {
			for range n {
				if _, _, e := c.Resume(1); e != nil {
					err = e
				}
			}
		})
		if err != nil {
			return err
		}
		return c.Stop()
	}}
}

func life() Side {
	return Side{"greenlet", func(measure func(op func(n int))) error {
		return greenlet.Run(func(*greenlet.Greenlet) (err error) {
			measure(func(n int) {
				for range n {
					if _, e := greenlet.New(func(v any) (any, error) { return v, nil }).Switch(nil); e != nil {
						err = e
					}
				}
			})
			return err
		})
	}}
}

// lifeWithSuspension makes a greenlet that is suspended once.
func lifeWithSuspension() Side {
	return Side{"greenlet", func(measure func(op func(n int))) error {
		return greenlet.Run(func(root *greenlet.Greenlet) (err error) {
			measure(func(n int) {
				for range n {
					g := greenlet.New(func(any) (any, error) { return root.Switch(nil) })
					_, e1 := g.Switch(nil)
					_, e2 := g.Switch(nil)
					err = errors.Join(err, e1, e2)
				}
			})
			return err
		})
	}}
}

// lifeOfPull makes an iterator, takes its only value and ends it.
func lifeOfPull(name string, pull pull) Side {
	return Side{name, func(measure func(op func(n int))) error {
		measure(func(n int) {
			for range n {
				next, stop := pull(func(yield func(int) bool) { yield(1) })
				next()
				stop()
			}
		})
		return nil
	}}
}

func goAndWait() Side {
	return Side{"go-and-wait", func(measure func(op func(n int))) error {
		done := make(chan struct{})
		measure(func(n int) {
			for range n {
				go func() { done <- struct{}{} }()
				<-done
			}
		})
		return nil
	}}
}

func callback() Side {
	return Side{"thread", func(measure func(op func(n int))) error {
		if !cbench.Available {
			return ErrNotBuiltIn
		}
		return locked(func() error {
			measure(cbench.CallBack)
			return nil
		})
	}}
}

func callbackOnGreenlet() Side {
	return Side{"greenlet", func(measure func(op func(n int))) error {
		if !cbench.Available {
			return ErrNotBuiltIn
		}
		return greenlet.Run(func(root *greenlet.Greenlet) error {
			n := 0
			g := greenlet.New(func(any) (any, error) {
				for {
					cbench.CallBack(n)
					if _, err := root.Switch(nil); err != nil {
						return nil, err
					}
				}
			})
			var err error
			measure(func(ops int) {
				n = ops
				_, err = g.Switch(nil)
			})
			return err
		})
	}}
}

func call() Side {
	return Side{"plain-cgo-call", func(measure func(op func(n int))) error {
		if !cbench.Available {
			return ErrNotBuiltIn
		}
		measure(cbench.Call)
		return nil
	}}
}

// Beside keeps n goroutines busy until stop is called.
func Beside(n int) (stop func()) {
	var over atomic.Bool
	for range n {
		go func() {
			for x := uint64(1); !over.Load(); {
				for range 10_000 {
					x = x*6364136223846793005 + 1442695040888963407
				}
				sink.Store(x)
			}
		}()
	}
	return func() { over.Store(true) }
}

var sink atomic.Uint64
