package greenlet_test

import (
	"fmt"
	"iter"
	"math/rand/v2"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-greenlet/greenlet"
	"github.com/go-greenlet/greenlet/internal/cgotest"
)

// Each claim stands beside its peers in the same run, so compare ratios:
//
//	make bench TESTFLAGS='-count 10 -cpu 1,2' | tee new.txt && benchstat new.txt
//
// One operation of the Switch, Ring and Random benchmarks is one way: half of a
// round trip.

// toRoot switches to the root for ever, without asking who that is.
func toRoot(root *greenlet.Greenlet) greenlet.Func {
	return func(any) (any, error) {
		for {
			if _, err := root.Switch(nil); err != nil {
				return nil, err
			}
		}
	}
}

func BenchmarkOneWay(b *testing.B) {
	b.Run("greenlet", func(b *testing.B) {
		tree(b, func(root *greenlet.Greenlet) {
			g := greenlet.New(toRoot(root))
			for b.Loop() {
				_, _ = g.Switch(nil)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(2*b.N), "ns/way")
		})
	})
	b.Run("traced", func(b *testing.B) {
		tree(b, func(root *greenlet.Greenlet) {
			g := greenlet.New(toRoot(root))
			greenlet.SetTrace(func(greenlet.Event, *greenlet.Greenlet, *greenlet.Greenlet) {})
			for b.Loop() {
				_, _ = g.Switch(nil)
			}
			greenlet.SetTrace(nil)
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(2*b.N), "ns/way")
		})
	})
	b.Run("iter.Pull", func(b *testing.B) {
		next, stop := iter.Pull(count(1 << 62))
		defer stop()
		for b.Loop() {
			next()
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(2*b.N), "ns/way")
	})
	b.Run("channel", func(b *testing.B) {
		to, from := make(chan int), make(chan int)
		go func() {
			for v := range to {
				from <- v
			}
		}()
		for b.Loop() {
			to <- 1
			<-from
		}
		close(to)
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(2*b.N), "ns/way")
	})
	b.Run("channel between locked threads", func(b *testing.B) {
		to, from := make(chan int), make(chan int)
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		go func() {
			runtime.LockOSThread()
			for v := range to {
				from <- v
			}
		}()
		for b.Loop() {
			to <- 1
			<-from
		}
		close(to)
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(2*b.N), "ns/way")
	})
}

// spinBeside keeps every processor busy until the benchmark ends.
func spinBeside(b *testing.B) {
	stop := make(chan struct{})
	for range runtime.GOMAXPROCS(0) {
		go func() {
			for {
				select {
				case <-stop:
					return
				default:
					sink.Store(int64(spinTight(10_000)))
				}
			}
		}()
	}
	b.Cleanup(func() { close(stop) })
}

func BenchmarkRing(b *testing.B) {
	for _, beside := range []string{"alone", "busy"} {
		for _, n := range []int{2, 100, 1000, 10_000} {
			b.Run(fmt.Sprintf("%s/%d", beside, n), func(b *testing.B) {
				if beside == "busy" {
					spinBeside(b)
				}
				tree(b, func(root *greenlet.Greenlet) {
					ring := make([]*greenlet.Greenlet, n)
					left := 0
					for i := range ring {
						ring[i] = greenlet.New(func(any) (any, error) {
							next := ring[(i+1)%n]
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
					left = n // all are started
					_, err := ring[0].Switch(nil)
					require.NoError(b, err)
					b.ResetTimer()
					left = b.N
					_, _ = ring[0].Switch(nil)
					b.StopTimer() // the end of the tree is not part of it
				})
			})
		}
	}
}

// Frames that return on either side of every switch, and live ones in random
// order: what a tight loop and the order of creation flatter.
func BenchmarkRandom(b *testing.B) {
	for _, frames := range []int{0, 3} {
		for _, live := range []int{1, 1000, 10_000} {
			order := make([]uint16, 1<<16)
			for i := range order {
				order[i] = uint16(rand.IntN(live))
			}
			name := fmt.Sprintf("frames %d/%d", frames, live)
			b.Run("greenlet/"+name, func(b *testing.B) {
				tree(b, func(root *greenlet.Greenlet) {
					out := func() bool { _, err := root.Switch(nil); return err == nil }
					all := make([]*greenlet.Greenlet, live)
					for i := range all {
						all[i] = greenlet.New(func(any) (any, error) {
							for through(frames, out) {
							}
							return nil, nil
						})
						_, _ = all[i].Switch(nil)
					}
					var g *greenlet.Greenlet
					in := func() bool { _, err := g.Switch(nil); return err == nil }
					b.ResetTimer()
					for i := range b.N {
						g = all[order[i%len(order)]]
						through(frames, in)
					}
					b.StopTimer()
					b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(2*b.N), "ns/way")
				})
			})
			b.Run("iter.Pull/"+name, func(b *testing.B) {
				nexts := make([]func() (int, bool), live)
				for i := range nexts {
					next, stop := iter.Pull(func(yield func(int) bool) {
						out := func() bool { return yield(1) }
						for through(frames, out) {
						}
					})
					defer stop()
					nexts[i] = next
					next()
				}
				var next func() (int, bool)
				in := func() bool { _, ok := next(); return ok }
				b.ResetTimer()
				for i := range b.N {
					next = nexts[order[i%len(order)]]
					through(frames, in)
				}
				b.StopTimer()
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(2*b.N), "ns/way")
			})
		}
	}
}

//go:noinline
func through(n int, f func() bool) bool {
	if n == 0 {
		return f()
	}
	return through(n-1, f)
}

func BenchmarkPull(b *testing.B) {
	b.Run("greenlet", func(b *testing.B) {
		next, stop := greenlet.Pull(count(1 << 62))
		defer stop()
		for b.Loop() {
			next()
		}
	})
	b.Run("iter", func(b *testing.B) {
		next, stop := iter.Pull(count(1 << 62))
		defer stop()
		for b.Loop() {
			next()
		}
	})
}

func BenchmarkResume(b *testing.B) {
	c := greenlet.NewCoroutine(accumulator)
	for b.Loop() {
		_, _, _ = c.Resume(1)
	}
	require.NoError(b, c.Stop())
}

// A whole life: made, run and finished. The peer's has one next and the end.
func BenchmarkLife(b *testing.B) {
	b.Run("greenlet", func(b *testing.B) {
		tree(b, func(*greenlet.Greenlet) {
			for b.Loop() {
				_, _ = greenlet.New(returns(nil, nil)).Switch(nil)
			}
		})
	})
	b.Run("Pull", func(b *testing.B) {
		for b.Loop() {
			next, stop := greenlet.Pull(count(1))
			next()
			stop()
		}
	})
	b.Run("iter.Pull", func(b *testing.B) {
		for b.Loop() {
			next, stop := iter.Pull(count(1))
			next()
			stop()
		}
	})
	b.Run("go and wait", func(b *testing.B) {
		done := make(chan struct{})
		for b.Loop() {
			go func() { done <- struct{}{} }()
			<-done
		}
	})
}

// Cold: all at once, until each is suspended.
func BenchmarkColdStart(b *testing.B) {
	const n = 10_000
	b.Run("greenlet", func(b *testing.B) {
		for range b.N {
			tree(b, func(root *greenlet.Greenlet) {
				for range n {
					_, _ = greenlet.New(toRoot(root)).Switch(nil)
				}
				b.StopTimer()
			})
			b.StartTimer()
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n*b.N), "ns/start")
	})
	b.Run("iter.Pull", func(b *testing.B) {
		for range b.N {
			stops := make([]func(), n)
			for i := range stops {
				next, stop := iter.Pull(count(2))
				next()
				stops[i] = stop
			}
			b.StopTimer()
			for _, stop := range stops {
				stop()
			}
			b.StartTimer()
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n*b.N), "ns/start")
	})
}

// C that calls Go, on a thread's stack and on a greenlet's.
func BenchmarkCallback(b *testing.B) {
	nothing := func() {}
	b.Run("thread", func(b *testing.B) {
		for b.Loop() {
			cgotest.Call(nothing)
		}
	})
	b.Run("greenlet", func(b *testing.B) {
		tree(b, func(*greenlet.Greenlet) {
			g := greenlet.New(func(any) (any, error) {
				for b.Loop() {
					cgotest.Call(nothing)
				}
				return nil, nil
			})
			_, err := g.Switch(nil)
			require.NoError(b, err)
		})
	})
}
