//go:build cgo && linux

package greenlet_test

import (
	"context"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-greenlet/greenlet"
	"github.com/go-greenlet/greenlet/internal/cgotest"
)

// What a greenlet has from whoever makes it, and what it must not have from one that
// has ended before, on whose goroutine or C stack it may run.

// labelsOf returns the profiler labels of the calling goroutine as a goroutine profile
// shows them.
func labelsOf(t testing.TB) string {
	t.Helper()
	var b strings.Builder
	require.NoError(t, pprof.Lookup("goroutine").WriteTo(&b, 1))
	for _, entry := range strings.Split(b.String(), "\n\n") {
		if strings.Contains(entry, "greenlet_test.labelsOf") {
			for _, line := range strings.Split(entry, "\n") {
				if l, ok := strings.CutPrefix(line, "# labels: "); ok {
					return l
				}
			}
			return ""
		}
	}
	t.Error("the caller is not in the profile")
	return ""
}

func TestAGreenletHasTheLabelsOfItsMaker(t *testing.T) {
	ask := func(any) (any, error) { return labelsOf(t), nil }
	tree(t, func(root *greenlet.Greenlet) {
		value(t, "")(greenlet.New(ask).Switch(nil))
		var inside, named, inC, later *greenlet.Greenlet
		pprof.Do(context.Background(), pprof.Labels("a", "1"), func(context.Context) {
			inside = greenlet.New(ask)
			named = greenlet.New(ask, greenlet.WithName("me"))
			inC = greenlet.New(func(any) (v any, err error) {
				cgotest.Call(func() { v, err = greenlet.New(ask).Switch(nil) }) // of a child, too
				return v, err
			})
			later = greenlet.New(func(any) (any, error) {
				before := labelsOf(t)
				_, err := root.Switch(nil)
				return before + labelsOf(t), err
			})
			value(t, nil)(later.Switch(nil))
		})
		assert.Empty(t, labelsOf(t))
		// Whoever starts it, and whatever ran there before, does not matter.
		pprof.Do(context.Background(), pprof.Labels("b", "2"), func(context.Context) {
			value(t, `{"a":"1"}`)(inside.Switch(nil))
			value(t, `{"a":"1", "greenlet":"me"}`)(named.Switch(nil))
			value(t, `{"a":"1"}`)(inC.Switch(nil))
			value(t, `{"a":"1"}{"a":"1"}`)(later.Switch(nil))
			assert.Equal(t, `{"b":"2"}`, labelsOf(t))
		})
		for range 3 {
			value(t, "")(greenlet.New(ask).Switch(nil))
		}
		value(t, `{"greenlet":"me"}`)(greenlet.New(ask, greenlet.WithName("me")).Switch(nil))
		value(t, "")(greenlet.New(ask).Switch(nil))
	})
}

// What a body leaves behind in its goroutine and on its thread reaches nobody.
func TestNothingOfADeadGreenletReachesTheNext(t *testing.T) {
	ends := map[string]func(back *greenlet.Greenlet){
		"returns":   func(*greenlet.Greenlet) {},
		"panics":    func(*greenlet.Greenlet) { panic(1) },
		"is killed": func(back *greenlet.Greenlet) { _, _ = back.Switch(nil) },
		"is killed in C": func(back *greenlet.Greenlet) {
			cgotest.Call(func() { _, _ = back.Switch(nil) })
		},
	}
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			tree(t, func(root *greenlet.Greenlet) {
				for range 3 {
					g := greenlet.New(func(any) (any, error) {
						debug.SetPanicOnFault(true)
						pprof.SetGoroutineLabels(pprof.WithLabels(context.Background(), pprof.Labels("left", "behind")))
						cgotest.RoundUp()
						end(root)
						return nil, nil
					})
					recovered(func() { _, _ = g.Switch(nil) })
					assert.False(t, cgotest.RoundsUp(), "the root has its rounding mode")
					require.NoError(t, g.Kill())
					assert.False(t, cgotest.RoundsUp(), "the root has its rounding mode")
					value(t, nil)(greenlet.New(func(any) (any, error) {
						assert.False(t, debug.SetPanicOnFault(false), "SetPanicOnFault")
						assert.Empty(t, labelsOf(t))
						if oneM() {
							assert.False(t, cgotest.RoundsUp(), "the next one has its rounding mode")
						}
						return nil, nil
					}).Switch(nil))
				}
				assert.False(t, debug.SetPanicOnFault(false), "SetPanicOnFault of the root")
				assert.Empty(t, labelsOf(t))
			})
		})
	}
}

// C code can change the rounding mode after a call of Go in which the greenlet was
// suspended: there is no call of C then between that switch and the next one.
func TestTheRoundingModeThatCSetsBetweenCallbacks(t *testing.T) {
	if !oneM() {
		t.Skip("the greenlets of a thread have one rounding mode on the portable engine") // which CI says
	}
	tree(t, func(root *greenlet.Greenlet) {
		up := func(any) (any, error) {
			for {
				if _, err := root.Switch(cgotest.RoundsUp()); err != nil {
					return nil, err
				}
			}
		}
		plain := greenlet.New(up)
		value(t, false)(plain.Switch(nil))
		g := greenlet.New(func(any) (any, error) {
			cgotest.RoundingBetween(func() {
				_, err := root.Switch("in C")
				assert.NoError(t, err)
			})
			_, err := root.Switch("in Go")
			assert.True(t, cgotest.RoundsUp(), "its own is lost")
			return nil, err
		})
		for _, at := range []string{"in C", "in C", "in Go"} {
			value(t, at)(g.Switch(nil))
			assert.False(t, cgotest.RoundsUp(), "the root has its rounding mode, %s", at)
			value(t, false)(plain.Switch(nil))
		}
		value(t, nil)(g.Switch(nil))
		assert.False(t, cgotest.RoundsUp(), "the root has its rounding mode after its end")
		value(t, false)(plain.Switch(nil))
	})

	// The same where the root is in such a function.
	in := make(chan struct{})
	go func() {
		defer close(in)
		calls := 0
		var g *greenlet.Greenlet
		cgotest.RoundingBetween(func() {
			calls++
			root := greenlet.Current()
			if calls == 1 {
				g = greenlet.New(func(any) (any, error) {
					for {
						if _, err := root.Switch(cgotest.RoundsUp()); err != nil {
							return nil, err
						}
					}
				})
			}
			value(t, false)(g.Switch(nil))
			assert.Equal(t, calls == 2, cgotest.RoundsUp())
		})
		value(t, false)(g.Switch(nil))
		assert.True(t, cgotest.RoundsUp(), "the root's own is lost")
		assert.NoError(t, g.Kill())
	}()
	<-in
}

// A goroutine that is locked to its thread is not switched to by the short way. The next
// greenlet on the same goroutine is not to be one because the one before it was.
func TestTheLocksOfADeadGreenlet(t *testing.T) {
	if !oneM() {
		t.Skip("there is one way to switch on the portable engine")
	}
	tree(t, func(root *greenlet.Greenlet) {
		wait := func(any) (any, error) { return root.Switch(nil) }
		g := greenlet.New(wait)
		value(t, nil)(g.Switch(nil))
		short := greenlet.Plain(g) // not under the race detector
		require.NoError(t, g.Kill())
		for range 3 {
			value(t, nil)(greenlet.New(func(any) (any, error) {
				runtime.LockOSThread()
				return nil, nil
			}).Switch(nil))
			g := greenlet.New(wait)
			value(t, nil)(g.Switch(nil))
			assert.Equal(t, short, greenlet.Plain(g))
			require.NoError(t, g.Kill())
		}
	})
}
