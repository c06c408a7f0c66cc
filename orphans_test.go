//go:build cgo && linux

package greenlet_test

import (
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/go-greenlet/greenlet"
)

// What becomes of free trees whose goroutines have ended.

// The hook that hears of what a goroutine has left may use greenlets: that ends the tree in
// which those are ended, and only once.
func TestTheHookOfAnOrphanUsesGreenlets(t *testing.T) {
	needsFree(t)
	for name, use := range map[string]func(g *greenlet.Greenlet){
		"switches": func(*greenlet.Greenlet) { _, _ = greenlet.New(returns(1, nil)).Switch(nil) },
		"kills":    func(g *greenlet.Greenlet) { _ = g.Kill() },
	} {
		t.Run(name, func(t *testing.T) {
			const n = 8
			var told atomic.Int32
			previous := greenlet.SetUnraisableHook(func(g *greenlet.Greenlet, err error) {
				if errors.Is(err, errSome) {
					use(g)
					told.Add(1)
				}
			})
			defer func() { greenlet.SetUnraisableHook(previous) }()
			witness := greenlet.Current() // its tree is in the list for as long as this goroutine lives
			for range n {
				onGoroutine(func() {
					root := greenlet.Current()
					for range 2 {
						g := greenlet.New(func(any) (any, error) {
							_, _ = root.Switch(nil)
							return nil, errSome
						})
						value(t, nil)(g.Switch(nil))
					}
				})
			}
			collectUntil(t, func() bool { return told.Load() == 2*n })
			assert.Eventually(t, func() bool {
				found := false
				for g := range greenlet.All() {
					found = found || g == witness
				}
				return found
			}, time.Second, time.Millisecond)
			// No two trees have one record: their pools would be one.
			var all sync.WaitGroup
			for range 4 {
				all.Add(1)
				go func() {
					defer all.Done()
					for range 50 {
						next, stop := greenlet.Pull(count(3))
						v, _ := next()
						assert.Equal(t, 0, v)
						runtime.Gosched()
						v, _ = next()
						assert.Equal(t, 1, v)
						stop()
					}
				}()
			}
			all.Wait()
			runtime.KeepAlive(witness)
		})
	}
}

// A goroutine begins a generator, hands it on and ends. When somebody has taken that over,
// nothing is left of it.
func TestATreeEndsWhenTheLastOneIsTakenAway(t *testing.T) {
	needsFree(t)
	const n = 20
	roots := func() (k int) {
		for g := range greenlet.All() {
			if g.IsRoot() {
				k++
			}
		}
		return k
	}
	greenlet.Current()
	collectUntil(t, func() bool { return true })
	before := roots()
	nexts := make([]func() (int, bool), n)
	for i := range nexts {
		onGoroutine(func() {
			nexts[i], _ = greenlet.Pull(count(3))
			nexts[i]()
		})
	}
	for range 3 { // the goroutines have ended, and that is seen
		runtime.GC()
		time.Sleep(time.Millisecond)
	}
	for _, next := range nexts {
		for i := range 2 {
			v, ok := next()
			assert.True(t, ok)
			assert.Equal(t, i+1, v)
		}
	}
	collectUntil(t, func() bool { return roots() <= before })
	for _, next := range nexts {
		_, ok := next()
		assert.False(t, ok)
	}
}

// What was made by a goroutine that has ended begins elsewhere, whether or not anybody has
// seen that end.
func TestWhatAGoroutineHasMadeBeginsAfterItsEnd(t *testing.T) {
	needsFree(t)
	const n = 4
	var next [n]func() (int, bool)
	for i := range next {
		onGoroutine(func() {
			greenlet.Current()
			next[i], _ = greenlet.Pull(count(2))
		})
	}
	for i := range next {
		v, ok := next[i]()
		assert.True(t, ok)
		assert.Equal(t, 0, v)
		for range 2 {
			runtime.GC()
			time.Sleep(time.Millisecond)
		}
	}
}

// A greenlet of a goroutine that has ended is killed by a goroutine of the library's. As soon as
// it is dead, another goroutine may make it a child of its own root and switch to it. Where its
// message goes is not the killer's to say then, which is about to end its wait: only the race
// detector sees it.
func TestASwitchToOneThatHasJustDiedElsewhere(t *testing.T) {
	needsFree(t)
	root := greenlet.Current()
	for range 100 {
		var g *greenlet.Greenlet
		onGoroutine(func() {
			back := greenlet.Current()
			g = greenlet.New(func(any) (any, error) { return back.Switch(nil) })
			value(t, nil)(g.Switch(nil))
		})
		runtime.GC()
		for !g.Dead() {
			runtime.Gosched()
		}
		assert.NoError(t, g.SetParent(root))
		value(t, 1)(g.Switch(1))
		assert.Same(t, root, g.Parent())
	}
}

// At the end of a Run without a lock, its goroutine kills what lives, while others end what the collector
// has found unreachable. Both ask for the reference to a greenlet; the race detector sees whether each has
// the lock.
func TestARunEndsWhileItsForgottenOnesAreEnded(t *testing.T) {
	needsFree(t)
	for range 30 {
		assert.NoError(t, greenlet.Run(func(root *greenlet.Greenlet) error {
			for range 50 {
				value(t, nil)(greenlet.New(func(any) (any, error) { return root.Switch(nil) }).Switch(nil))
			}
			runtime.GC()
			value(t, nil)(root.Switch(nil)) // they are watched from here on
			runtime.GC()
			return nil
		}, greenlet.WithoutLock()))
	}
}
