package greenlet_test

import (
	"errors"
	"iter"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-greenlet/greenlet"
	"github.com/go-greenlet/greenlet/internal/bench"
)

// Each claim stands beside its peers in the same run, so compare ratios:
//
//	go test -run '^$' -bench . -count 10 -cpu 1,2 . | tee new.txt && benchstat new.txt
//
// internal/bench says what one operation is. `greenlet bench` runs the same cases,
// but lets the sides take turns, and so is less at the mercy of what else happens.
func BenchmarkCase(b *testing.B) {
	for _, c := range bench.Cases() {
		b.Run(c.Name, func(b *testing.B) {
			if c.Beside {
				stop := bench.Beside(2)
				defer stop()
			}
			for _, side := range c.Sides {
				b.Run(side.Name, func(b *testing.B) {
					b.ReportAllocs()
					err := side.Do(func(op func(n int)) {
						op(2) // the first one may make something that the others use
						b.ResetTimer()
						op(b.N)
						b.StopTimer() // the end is not part of it
					})
					if errors.Is(err, bench.ErrNotBuiltIn) {
						b.Skip(err)
					}
					require.NoError(b, err)
				})
			}
		})
	}
}

// Every case works, with all its sides.
func TestBenchmarkCases(t *testing.T) {
	if emulator != "" {
		t.Skip("they are many")
	}
	for _, c := range bench.Cases() {
		t.Run(c.Name, func(t *testing.T) {
			if strings.Contains(c.Name, "10000") && (testing.Short() || raceEnabled) {
				t.Skip("it makes 10,000")
			}
			for _, side := range c.Sides {
				measured := false
				err := side.Do(func(op func(n int)) {
					op(10)
					op(10)
					measured = true
				})
				if errors.Is(err, bench.ErrNotBuiltIn) {
					continue
				}
				require.NoError(t, err, side.Name)
				require.True(t, measured, side.Name)
			}
		})
	}
}

// A switch with a tracer, which is told of each.
func BenchmarkTraced(b *testing.B) {
	tree(b, func(root *greenlet.Greenlet) {
		g := greenlet.New(toRoot(root))
		greenlet.SetTrace(func(greenlet.Event, *greenlet.Greenlet, *greenlet.Greenlet) {})
		for b.Loop() {
			_, _ = g.Switch(nil)
		}
		greenlet.SetTrace(nil)
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(2*b.N), "ns/way")
	})
}

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
