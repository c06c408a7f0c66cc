// Package harness plays with greenlets that are suspended in the callbacks of a C library, in
// random order, and compares what the library says then with what it says when its callbacks
// answer at once. Each of the packages beside it is one library; docs/libraries.md has the list.
package harness

import (
	"errors"
	"math/rand/v2"
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-greenlet/greenlet"
)

// A Body uses the library once, so that it calls ask, several times, in its callbacks, and
// returns what it says, which depends on the answers. An error of ask is to be given to the
// library, if that can be told to stop; Body returns an error then, any.
type Body func(seed int, ask func(n int) (int, error)) (string, error)

// What becomes of a greenlet, by its number.
const (
	finishes = iota
	killed
	thrownAt
	panics
	left // to the end of the Run
	fates
)

var errThrown = errors.New("thrown at a greenlet in a callback")

func answer(seed, n int) int { return n*7 + seed*13 + 1 }

// Run runs body in that many greenlets at once.
func Run(t *testing.T, greenlets int, body Body) {
	t.Helper()
	r := rand.New(rand.NewPCG(uint64(greenlets), 1))
	want := make([]string, greenlets)
	for seed := range want {
		asked := 0
		var err error
		want[seed], err = body(seed, func(n int) (int, error) { asked++; return answer(seed, n), nil })
		require.NoError(t, err)
		require.Greater(t, asked, 2, "the body has to ask")
		require.NotEmpty(t, want[seed])
	}
	require.NotEqual(t, want[0], want[1], "the answers have to matter")

	ended := 0
	require.NoError(t, greenlet.Run(func(root *greenlet.Greenlet) error {
		type one struct {
			g     *greenlet.Greenlet
			seed  int
			asked any // its question; nil: it has not begun
			steps int // that it may take before its fate
		}
		var all []*one
		for seed := range greenlets {
			o := &one{seed: seed, steps: 1 + r.IntN(3)}
			o.g = greenlet.New(func(any) (any, error) {
				defer func() { ended++ }()
				return run(t, root, seed, body)
			})
			all = append(all, o)
		}
		for len(all) > 0 {
			i := r.IntN(len(all))
			o := all[i]
			if r.IntN(10) == 0 {
				runtime.GC()
			}
			o.steps--
			fate := o.seed % fates
			if o.asked != nil && o.steps < 0 && fate != finishes {
				switch fate {
				case killed:
					require.NoError(t, o.g.Kill())
				case thrownAt:
					_, err := o.g.Throw(errThrown)
					assert.ErrorIs(t, err, errThrown)
				case panics:
					func() {
						defer func() {
							var p *greenlet.PanicError
							require.ErrorAs(t, recover().(error), &p)
							assert.Equal(t, "asked for", p.Value)
						}()
						_, _ = o.g.Switch("panic")
					}()
				}
				assert.Equal(t, fate != left, o.g.Dead(), "fate %d", fate)
				all = append(all[:i], all[i+1:]...)
				continue
			}
			var v any
			if n, ok := o.asked.(int); ok {
				v = answer(o.seed, n)
			}
			v, err := o.g.Switch(v)
			require.NoError(t, err)
			if o.g.Dead() {
				assert.Equal(t, want[o.seed], v, "greenlet %d", o.seed)
				all = append(all[:i], all[i+1:]...)
				continue
			}
			o.asked = v
		}
		return nil
	}))
	assert.Equal(t, greenlets, ended)
}

// run is the life of a greenlet.
func run(t *testing.T, root *greenlet.Greenlet, seed int, body Body) (any, error) {
	var failed error
	panicked := false
	result, err := body(seed, func(n int) (int, error) {
		if failed != nil {
			return 0, failed // a library may go on calling
		}
		grow(seed % 7 * 20) // Go's stack moves under the C frames
		v, err := root.Switch(n)
		if err != nil {
			failed = err
		} else if v == "panic" {
			panicked, failed = true, errors.New("a panic waits until the library has returned")
		}
		grow(20)
		if failed != nil {
			return 0, failed
		}
		return v.(int), nil
	})
	switch {
	case panicked:
		panic("asked for")
	case failed != nil:
		assert.Error(t, err, "the body is told that the library has stopped")
		return nil, failed
	}
	return result, err
}

func grow(depth int) (sum int) {
	var room [1024]byte
	if depth == 0 {
		return 0
	}
	for i := range room {
		room[i] = byte(depth + i)
	}
	sum = grow(depth - 1)
	for _, b := range room {
		sum += int(b)
	}
	return sum
}
