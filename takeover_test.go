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

// Free trees while several goroutines have to do with them at once.

// A tree becomes one of its thread's while others look at it.
func TestATreeIsBoundWhileOthersLookOn(t *testing.T) {
	needsFree(t)
	for range 20 {
		var root, sized atomic.Pointer[greenlet.Greenlet]
		over := make(chan bool)
		var looking sync.WaitGroup
		looking.Add(1)
		go func() {
			defer looking.Done()
			for {
				select {
				case <-over:
					return
				default:
				}
				if g := root.Load(); g != nil {
					_ = g.String()
					_, err := g.Switch(nil)
					assert.Error(t, err)
				}
				if g := sized.Load(); g != nil {
					_ = g.String()
				}
				runtime.Gosched()
			}
		}()
		onGoroutine(func() {
			root.Store(greenlet.Current())
			runtime.Gosched()
			g := greenlet.New(func(any) (any, error) { return greenlet.Current().Parent().Switch(1) }, greenlet.WithStackSize(128<<10))
			sized.Store(g)
			value(t, 1)(g.Switch(nil))
			assert.False(t, greenlet.FreeTree())
			assert.NoError(t, g.Kill())
		})
		close(over)
		looking.Wait()
	}
}

// A tree is given a greenlet while it becomes one of its thread's: it is one or the other.
func TestATreeIsBoundWhileItIsGivenAGreenlet(t *testing.T) {
	needsFree(t)
	given := 0
	for round := range 50 {
		var there *greenlet.Greenlet
		ready, done := make(chan bool), make(chan bool)
		var at sync.WaitGroup
		at.Add(2)
		var gift *greenlet.Greenlet
		var refused error
		settled := make(chan bool)
		go func() {
			defer close(done)
			there = greenlet.Current()
			ready <- true
			at.Done()
			at.Wait()
			sized := greenlet.New(func(any) (any, error) { return there.Switch(locked()) }, greenlet.WithStackSize(128<<10))
			_, err := sized.Switch(nil)
			assert.NoError(t, err)
			<-settled
			if refused == nil {
				assert.True(t, greenlet.FreeTree())
				value(t, "went on")(gift.Switch(nil))
			}
			assert.NoError(t, sized.Kill())
		}()
		<-ready
		onGoroutine(func() {
			root := greenlet.Current()
			gift = greenlet.New(func(any) (any, error) {
				_, err := root.Switch(nil)
				return "went on", err
			})
			value(t, nil)(gift.Switch(nil))
			at.Done()
			at.Wait()
			for range round % 10 {
				runtime.Gosched()
			}
			refused = gift.SetParent(there)
			if refused != nil {
				assert.ErrorIs(t, refused, greenlet.ErrWrongThread)
				value(t, "went on")(gift.Switch(nil))
			} else {
				given++
			}
			close(settled)
			<-done
		})
	}
	t.Logf("%d of 50 were given", given)
}

// One goroutine asks for the next of what is suspended in C, while the thread ends on which
// that is: it is refused, in the one way and then in the other.
func TestNextWhileTheThreadEndsThatItIsSuspendedOn(t *testing.T) {
	needsFree(t)
	ended := 0
	for range 20 {
		var next func() (int, bool)
		var g *greenlet.Greenlet
		onGoroutine(func() {
			next, _ = greenlet.Pull(func(yield func(int) bool) {
				g = greenlet.Current()
				countInC(3)(yield)
			})
			next()
		})
		begin := time.Now()
		more := true
		for more && time.Since(begin) < time.Second { // the process's first thread does not end
			err, _ := recovered(func() { _, more = next() }).(error)
			if err != nil {
				if !errors.Is(err, greenlet.ErrThreadExited) && !assert.ErrorIs(t, err, greenlet.ErrWrongThread) {
					return
				}
			}
			runtime.Gosched()
		}
		if !more {
			assert.True(t, g.Dead())
			ended++
		}
	}
	assert.NotZero(t, ended)
}

// A greenlet that waits in a next, or in a Switch that is to be refused, is taken away with the
// body that it hangs under, just when it is to go on: it does that in one place, or the other
// one is refused.
func TestWhoWaitsForAYieldIsTakenAway(t *testing.T) {
	needsFree(t)
	if raceEnabled {
		t.Skip("it is a race, and is to be one")
	}
	for _, way := range []string{"the short way", "the long way", "a refusal"} {
		t.Run(way, func(t *testing.T) {
			var taken, kept int
			for range 100 {
				onGoroutine(func() {
					if taker := takeWhoWaits(t, way); taker != nil {
						assert.ErrorIs(t, taker, greenlet.ErrWrongThread)
						kept++
					} else {
						taken++
					}
				})
			}
			t.Logf("taken %d times, kept %d times", taken, kept)
		})
	}
}

// takeWhoWaits is one round. It returns the error of whoever takes it away.
func takeWhoWaits(t *testing.T, way string) error {
	if way == "the long way" {
		greenlet.SetTrace(func(greenlet.Event, *greenlet.Greenlet, *greenlet.Greenlet) {})
	}
	var start sync.WaitGroup
	start.Add(2)
	meet := func() {
		start.Done()
		start.Wait()
	}
	var body *greenlet.Greenlet
	inner, stopInner := greenlet.Pull(func(yield func(int) bool) {
		body = greenlet.Current()
		if way != "a refusal" {
			meet()
		}
		yield(1)
	})
	if way == "a refusal" {
		inner()
	}
	var child *greenlet.Greenlet
	var got atomic.Int32
	outer, stopOuter := greenlet.Pull(func(yield func(bool) bool) {
		me := greenlet.Current()
		child = greenlet.New(func(any) (any, error) {
			if _, err := me.Switch(nil); err != nil {
				return nil, err
			}
			_ = recovered(func() {
				if way == "a refusal" {
					meet()
					_, err := body.Switch(nil)
					assert.Error(t, err)
					got.Add(1)
				} else {
					v, _ := inner()
					got.Add(int32(v))
				}
			})
			return nil, nil // which goes to the body, or to whoever waits for that
		})
		_, _ = child.Switch(nil)
		for yield(true) {
		}
	})
	outer()
	finished := make(chan error)
	go func() {
		meet()
		err, _ := recovered(func() { outer() }).(error)
		finished <- err
	}()
	_ = recovered(func() { _, _ = child.Switch(nil) })
	err := <-finished
	assert.LessOrEqual(t, got.Load(), int32(1))
	_ = recovered(stopInner)
	_ = recovered(stopOuter)
	return err
}

// Several goroutines use one generator at once until it ends, again and again: nobody goes
// on with what has ended elsewhere.
func TestManyAtOnceUpToTheEnd(t *testing.T) {
	needsFree(t)
	if raceEnabled {
		t.Skip("it is a race, and is to be one")
	}
	rounds := 20_000
	if testing.Short() || emulator != "" {
		rounds = 2_000
	}
	const workers = 3
	var nexts [workers]chan func() (int, bool)
	var done sync.WaitGroup
	var values atomic.Int64
	for i := range nexts {
		nexts[i] = make(chan func() (int, bool))
		go func() {
			for next := range nexts[i] {
				for more := true; more; {
					if err := recovered(func() {
						if _, more = next(); more {
							values.Add(1)
						}
					}); err != nil {
						assert.ErrorIs(t, err.(error), greenlet.ErrWrongThread)
					}
				}
				done.Done()
			}
		}()
	}
	for range rounds {
		next, _ := greenlet.Pull(count(4))
		done.Add(workers)
		for i := range nexts {
			nexts[i] <- next
		}
		done.Wait()
	}
	for i := range nexts {
		close(nexts[i])
	}
	assert.Equal(t, int64(4*rounds), values.Load())
}
