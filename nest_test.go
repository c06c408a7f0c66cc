//go:build cgo && linux

package greenlet_test

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-greenlet/greenlet"
	"github.com/go-greenlet/greenlet/internal/cgotest"
)

// nest goes down through Go and C frames in turn, switches to back at every level
// on the way down and up, and returns what it got there, added up.
func nest(t testing.TB, back *greenlet.Greenlet, depth int) (sum int) {
	here := make([]int, 64) // something of this level that must survive
	for i := range here {
		here[i] = depth
	}
	v, err := back.Switch(depth)
	require.NoError(t, err)
	sum = v.(int)
	if depth > 0 {
		if !cgotest.Locals(100*depth, func() { sum += nest(t, back, depth-1) }) {
			t.Error("the C frame's locals have changed")
		}
	}
	v, err = back.Switch(depth)
	require.NoError(t, err)
	for i := range here {
		require.Equal(t, depth, here[i])
	}
	return sum + v.(int)
}

// The rounding mode belongs to the greenlet: one that is suspended with another
// mode, set by C below it, leaves it to nobody, and finds it again.
func TestTheRoundingModeBelongsToTheGreenlet(t *testing.T) {
	tree(t, func(root *greenlet.Greenlet) {
		var kept bool
		up := greenlet.New(func(any) (any, error) {
			kept = cgotest.RoundingUp(func() {
				for range 3 {
					value(t, nil)(root.Switch(nil))
				}
			})
			return nil, nil
		})
		plain := greenlet.New(func(any) (any, error) {
			for !up.Dead() {
				assert.False(t, cgotest.RoundsUp())
				value(t, nil)(root.Switch(nil))
			}
			return nil, nil
		})
		for !plain.Dead() {
			value(t, nil)(up.Switch(nil))
			assert.False(t, cgotest.RoundsUp())
			value(t, nil)(plain.Switch(nil))
		}
		assert.True(t, kept)
	})
}

func TestSwitchAtEveryLevelOfGoAndC(t *testing.T) {
	tree(t, func(root *greenlet.Greenlet) {
		const n = 50
		type state struct {
			g    *greenlet.Greenlet
			sent int
		}
		var all []*state
		for i := range n {
			s := &state{}
			s.g = greenlet.New(func(any) (any, error) { return nest(t, root, 5+i%5), nil })
			_, err := s.g.Switch(nil)
			require.NoError(t, err)
			all = append(all, s)
		}
		r := rand.New(rand.NewPCG(1, 2))
		for round := 0; len(all) > 0; round++ {
			i := r.IntN(len(all))
			s := all[i]
			v, err := s.g.Switch(round)
			require.NoError(t, err)
			s.sent += round
			if s.g.Dead() {
				require.Equal(t, s.sent, v)
				all = append(all[:i], all[i+1:]...)
			}
			if round%50 == 0 {
				runtime.GC()
			}
		}
	})
}

func TestTheStackGrowsInAGreenlet(t *testing.T) {
	depth := 5000
	if testing.Short() {
		depth = 1500
	}
	tree(t, func(root *greenlet.Greenlet) {
		var all []*greenlet.Greenlet
		for range 20 {
			g := greenlet.New(func(any) (any, error) { return deep(t, root, depth), nil })
			value(t, 0)(g.Switch(nil))
			all = append(all, g)
		}
		runtime.GC()
		for _, g := range all {
			value(t, depth*(depth+1)/2)(g.Switch(nil))
		}
	})
}

// deep recurses in Go, in between through C, and switches at the bottom.
func deep(t testing.TB, root *greenlet.Greenlet, n int) (sum int) {
	if n == 0 {
		value(t, nil)(root.Switch(0))
		return 0
	}
	if n%500 == 0 {
		cgotest.Call(func() { sum = deep(t, root, n-1) })
		return sum + n
	}
	return deep(t, root, n-1) + n
}

// A stack may be above or below its parent's: nothing depends on the order.
func TestStacksAboveAndBelowTheirParents(t *testing.T) {
	tree(t, func(root *greenlet.Greenlet) {
		above, below := 0, 0
		var family func(depth int) greenlet.Func
		family = func(depth int) greenlet.Func {
			return func(parent any) (v any, err error) {
				cgotest.Call(func() { // so that it owns a C stack while it is suspended
					mine := cgotest.StackAddress()
					if mine > parent.(uintptr) {
						above++
					} else {
						below++
					}
					if depth == 0 {
						v, err = root.Switch(nil)
					} else {
						v, err = greenlet.New(family(depth - 1)).Switch(mine)
					}
				})
				return v, err
			}
		}
		value(t, nil)(greenlet.New(family(20)).Switch(cgotest.StackAddress()))

		// Free some and start again, so that places come in another order.
		var some []*greenlet.Greenlet
		for range 20 {
			some = append(some, suspendedInC(t))
		}
		for i := range some {
			require.NoError(t, some[i*7%len(some)].Kill())
		}
		value(t, nil)(greenlet.New(family(20)).Switch(cgotest.StackAddress()))
		assert.NotZero(t, above)
		assert.NotZero(t, below)
	})
}

func TestCFramesOfManyGreenletsInterleave(t *testing.T) {
	tree(t, func(root *greenlet.Greenlet) {
		var log []string
		in := func(name string) greenlet.Func {
			return func(any) (any, error) {
				cgotest.Call(func() {
					log = append(log, name+" in C")
					value(t, nil)(root.Switch(nil))
					log = append(log, name+" leaves C")
				})
				return nil, nil
			}
		}
		a, b := greenlet.New(in("a")), greenlet.New(in("b"))
		for _, g := range []*greenlet.Greenlet{a, b, a, b} { // not nested
			value(t, nil)(g.Switch(nil))
			runtime.GC()
		}
		assert.Equal(t, []string{"a in C", "b in C", "a leaves C", "b leaves C"}, log)
	})
}

func TestTheRootSwitchesFromWithinC(t *testing.T) {
	tree(t, func(root *greenlet.Greenlet) {
		g := greenlet.New(echo)
		cgotest.Call(func() {
			value(t, 1)(g.Switch(1))
			cgotest.Call(func() { value(t, 2)(g.Switch(2)) })
		})
		value(t, 3)(g.Switch(3))
	})
}

func TestTheStackShowsCBoundaries(t *testing.T) {
	tree(t, func(root *greenlet.Greenlet) {
		g := greenlet.New(func(any) (any, error) {
			cgotest.Call(func() { value(t, nil)(root.Switch(nil)) })
			return nil, nil
		})
		value(t, nil)(g.Switch(nil))
		functions := fmt.Sprint(names(g.Stack()))
		assert.Contains(t, functions, "runtime.cgocall ")
		assert.Contains(t, functions, "runtime.cgocallback ")
		value(t, nil)(g.Switch(nil))
	})
}
