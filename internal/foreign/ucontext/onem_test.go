//go:build cgo && linux

package ucontext_test

import (
	"math/rand/v2"
	"os"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-greenlet/greenlet"
	"github.com/go-greenlet/greenlet/internal/foreign"
	"github.com/go-greenlet/greenlet/internal/foreign/foreigntest"
)

func needsOneM(t *testing.T) {
	t.Helper()
	if !oneM() {
		t.Skip(greenlet.Runtime())
	}
}

// A program with fibers is run as any other one.
func TestFibersAreOnTheEngineOfOneM(t *testing.T) {
	if os.Getenv("GREENLET_RUNTIME") != "" || greenlet.Backend() == "ucontext" || strings.Contains(greenlet.Runtime(), "AddressSanitizer") {
		t.Skip("another one was asked for: " + greenlet.Runtime())
	}
	assert.Regexp(t, "^one M", greenlet.Runtime())
}

// A stop of the world that comes in the middle of an announcement is not to wait until
// there are no more of them: then it would take as long as the loop in C. A loop begins
// with a P to lose, so there are several.
func TestAnnouncementsDoNotHoldUpAStopOfTheWorld(t *testing.T) {
	needsOneM(t)
	l := library(t)
	const loops, loop = 8, 400 * time.Millisecond
	const limit = loop / 2 // a stop that waits for the end of a loop takes as long as that
	var longest time.Duration
	for range 3 { // other programs may take the processor away
		var stop atomic.Bool
		stops := make(chan time.Duration)
		go func() {
			longest := time.Duration(0)
			for !stop.Load() {
				begin := time.Now()
				runtime.ReadMemStats(new(runtime.MemStats))
				longest = max(longest, time.Since(begin))
				time.Sleep(100 * time.Microsecond)
			}
			stops <- longest
		}()
		foreigntest.Locked(func() {
			co, err := l.New(foreign.Unknown, func(yield func()) bool { yield(); return false })
			if !assert.NoError(t, err) || !assert.NoError(t, co.Resume()) {
				return
			}
			for range loops {
				assert.NoError(t, co.AnnounceFor(loop))
			}
			assert.NoError(t, co.Resume())
			assert.NoError(t, co.Free())
		})
		stop.Store(true)
		if longest = <-stops; longest <= limit {
			break
		}
	}
	assert.LessOrEqual(t, longest, limit)
}

func TestFibersNeedNoMs(t *testing.T) {
	needsOneM(t)
	l := library(t)
	before := ms()
	foreigntest.Locked(func() {
		var all []*foreign.Coroutine
		for i := range 2000 {
			co, err := l.New(foreign.Known, func(yield func()) bool {
				if !foreigntest.Climb(5, i, yield) {
					t.Errorf("coroutine %d: its memory changed", i)
				}
				return false
			})
			if !assert.NoError(t, err) || !assert.NoError(t, co.Resume()) {
				return
			}
			all = append(all, co)
		}
		assert.Less(t, ms()-before, 20)
		for _, co := range all {
			assert.NoError(t, co.Resume())
			assert.True(t, co.Done())
			assert.NoError(t, co.Free())
		}
	})
}

// Fibers that anybody of a tree goes on with, and that suspend whoever it is.
func TestAnyGreenletGoesOnWithAnyFiber(t *testing.T) {
	l := library(t)
	foreigntest.Locked(func() { mixed(t, l) })
	require.NoError(t, foreign.Thread(func() { mixed(t, l) }))
}

// mixed runs fibers, known and unknown ones, from greenlets and the root of a tree. Their
// Go functions yield, switch to another greenlet, or resume another fiber.
func mixed(t *testing.T, l foreign.Library) {
	const fibers, greenlets = 30, 8
	r := rand.New(rand.NewPCG(fibers, greenlets))
	err := greenlet.Run(func(root *greenlet.Greenlet) error {
		var all [fibers]*foreign.Coroutine
		var busy [fibers]bool
		var others [greenlets]*greenlet.Greenlet
		resume := func() bool {
			i := r.IntN(fibers)
			for n := 0; busy[i] || all[i].Done(); n++ {
				if n == fibers {
					return false
				}
				i = (i + 1) % fibers
			}
			busy[i] = true
			assert.NoError(t, all[i].Resume())
			busy[i] = false
			return true
		}
		hop := func() {
			switch to := r.IntN(greenlets + 1); {
			case to == greenlets:
				_, _ = root.Switch(nil)
			case !others[to].Dead():
				_, _ = others[to].Switch(nil)
			}
		}
		for i := range all {
			rounds := 0
			adoption := foreign.Known
			if i%2 == 0 {
				adoption = foreign.Unknown
			}
			co, err := l.New(adoption, func(yield func()) bool {
				ok := foreigntest.Climb(50+r.IntN(150), i, func() {
					switch r.IntN(4) {
					case 0, 1:
						yield()
					case 2:
						hop()
					case 3:
						resume()
					}
					if r.IntN(200) == 0 {
						runtime.GC()
					}
				})
				if !ok {
					t.Errorf("fiber %d: its memory changed", i)
				}
				rounds++
				return rounds < 5
			})
			if err != nil {
				return err
			}
			all[i] = co
		}
		alive := func() bool {
			for _, co := range all {
				if !co.Done() {
					return true
				}
			}
			return false
		}
		schedule := func() {
			for alive() {
				if !resume() || r.IntN(3) == 0 {
					hop()
				}
			}
		}
		for i := range others {
			others[i] = greenlet.New(func(any) (any, error) { schedule(); return nil, nil })
		}
		schedule()
		for _, g := range others {
			for !g.Dead() {
				_, _ = g.Switch(nil)
			}
		}
		for _, co := range all {
			if err := co.Free(); err != nil {
				return err
			}
		}
		return nil
	})
	assert.NoError(t, err)
}

// A thread ends although Go functions are suspended on its fibers: they never go on, and
// nothing else is hurt.
func TestAThreadEndsWithLiveFibers(t *testing.T) {
	needsOneM(t)
	l := library(t)
	var left []*foreign.Coroutine
	leave := func() {
		for range 5 {
			co, err := l.New(foreign.Known, func(yield func()) bool {
				foreigntest.Climb(50, 1, yield)
				return false
			})
			if assert.NoError(t, err) && assert.NoError(t, co.Resume()) {
				left = append(left, co)
			}
		}
	}
	before := ms()
	for range 10 {
		foreigntest.Locked(leave)
		require.NoError(t, foreign.Thread(leave))
		foreigntest.Locked(func() { assert.NoError(t, greenlet.Run(func(*greenlet.Greenlet) error { leave(); return nil })) })
		runtime.GC()
	}
	assert.LessOrEqual(t, ms(), before+10)
	runtime.Stack(make([]byte, 1<<20), true)
	for _, co := range left {
		assert.Equal(t, foreign.ErrThread, co.Resume())
		assert.Equal(t, foreign.ErrThread, co.Free())
	}
	foreigntest.Locked(func() { foreigntest.Interleave(t, l, foreign.Known) })
	require.NoError(t, foreign.Thread(func() { foreigntest.Interleave(t, l, foreign.Known) }))
}

// announce makes announcements alone, out of a call of C that is to be made once: when an
// announcement was made by way of Go, the next one begins where C was called.
func announce(t *testing.T, l foreign.Library) {
	co, err := l.New(foreign.Unknown, func(yield func()) bool { yield(); return false })
	if !assert.NoError(t, err) || !assert.NoError(t, co.Resume()) {
		return
	}
	assert.NoError(t, co.Announce(1000))
	assert.Equal(t, 1000, co.Announced())
	assert.NoError(t, co.Resume())
	assert.NoError(t, co.Free())
}

func TestAnnouncementsAlone(t *testing.T) {
	l := library(t)
	foreigntest.Locked(func() { announce(t, l) })
	require.NoError(t, foreign.Thread(func() { announce(t, l) }))
	inGreenlet(t, func(*greenlet.Greenlet) { announce(t, l) })
}
