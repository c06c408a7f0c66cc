//go:build cgo && linux

package greenlet_test

import (
	"errors"
	"fmt"
	"iter"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-greenlet/greenlet"
	"github.com/go-greenlet/greenlet/internal/cgotest"
)

// Trees that are not bound to a thread: see free.go and internal/gort/free.go.

// needsFree skips a test on the portable engine, where all trees are bound to threads.
func needsFree(t testing.TB) {
	t.Helper()
	if !strings.HasPrefix(greenlet.Runtime(), "one M") {
		t.Skip("all trees are bound to threads on the portable engine")
	}
}

// countInC yields from C code.
func countInC(n int) iter.Seq[int] {
	return func(yield func(int) bool) {
		for i := range n {
			more := false
			cgotest.Call(func() { more = yield(i) })
			if !more {
				return
			}
		}
	}
}

func threads() int {
	all, _ := os.ReadDir("/proc/self/task")
	return len(all)
}

func TestAnOpenPullLocksNothing(t *testing.T) {
	needsFree(t)
	onGoroutine(func() {
		next, stop := greenlet.Pull(count(3))
		defer stop()
		next()
		assert.False(t, locked())
		greenlet.Current()
		assert.False(t, locked())
		c := greenlet.NewCoroutine(accumulator)
		_, _, _ = c.Resume(1)
		assert.False(t, locked())
		assert.NoError(t, c.Stop())
	})
}

// While one is suspended in C, whoever runs is locked, and not longer.
func TestTheTieLastsAsLongAsTheCFrames(t *testing.T) {
	needsFree(t)
	onGoroutine(func() {
		inC, stop := greenlet.Pull(countInC(2))
		defer stop()
		inGo, stopGo := greenlet.Pull(func(yield func(bool) bool) {
			for yield(locked()) {
			}
		})
		defer stopGo()
		is := func() bool { v, _ := inGo(); return v }
		assert.False(t, is())
		inC()
		assert.True(t, locked())
		assert.True(t, is())
		inC()
		assert.True(t, locked())
		_, ok := inC()
		assert.False(t, ok)
		assert.False(t, locked())
		assert.False(t, is())
	})
}

func TestALockHoldsTheWholeTree(t *testing.T) {
	needsFree(t)
	const rounds = 200
	stir := func() {
		for range 4 {
			go runtime.Gosched()
		}
		time.Sleep(10 * time.Microsecond)
	}
	for _, where := range []string{"root", "body"} {
		t.Run(where, func(t *testing.T) {
			onGoroutine(func() {
				tid := 0
				root := greenlet.Current()
				g := greenlet.New(func(any) (any, error) {
					if where == "body" {
						runtime.LockOSThread()
						tid = threadID()
						defer runtime.UnlockOSThread()
					}
					for range rounds {
						assert.Equal(t, tid, threadID())
						stir()
						value(t, nil)(root.Switch(nil))
					}
					return nil, nil
				})
				if where == "root" {
					runtime.LockOSThread()
					tid = threadID()
					defer runtime.UnlockOSThread()
				}
				for !g.Dead() {
					value(t, nil)(g.Switch(nil))
					if !g.Dead() {
						require.Equal(t, tid, threadID())
						stir()
					}
				}
			})
		})
	}
}

// The five ways in which an iter.Pull beside greenlets has ended the process when a root
// was locked to its thread.
func TestIterPullBesideGreenlets(t *testing.T) {
	needsFree(t)
	ways := map[string]func(){
		"zip": func() {
			n1, s1 := iter.Pull(count(3))
			n2, s2 := greenlet.Pull(count(3))
			for range 3 {
				a, _ := n1()
				b, ok := n2()
				assert.True(t, ok)
				assert.Equal(t, a, b)
			}
			s1()
			s2()
		},
		"after": func() {
			n2, s2 := greenlet.Pull(count(3))
			n2()
			n1, s1 := iter.Pull(count(3))
			n1()
			s2()
			v, _ := n1()
			assert.Equal(t, 1, v)
			s1()
		},
		"inside": func() {
			next, stop := iter.Pull(func(yield func(int) bool) {
				n, s := greenlet.Pull(count(3))
				defer s()
				for v, ok := n(); ok && yield(v); v, ok = n() {
				}
			})
			for i := range 3 {
				v, ok := next()
				assert.True(t, ok)
				assert.Equal(t, i, v)
			}
			stop()
		},
		"root": func() {
			next, stop := iter.Pull(count(3))
			next()
			greenlet.Current()
			v, _ := next()
			assert.Equal(t, 1, v)
			stop()
		},
		"greenlet": func() {
			next, stop := iter.Pull(count(3))
			next()
			value(t, 1)(greenlet.New(func(any) (any, error) { v, _ := next(); return v, nil }).Switch(nil))
			v, _ := next()
			assert.Equal(t, 2, v)
			stop()
		},
		"yield from within": func() { // a yield of ours from the goroutine of an iter.Pull
			next, stop := greenlet.Pull(func(yield func(int) bool) {
				n, s := iter.Pull(func(inner func(int) bool) {
					for i := range 3 {
						if !yield(i) || !inner(i) {
							return
						}
					}
				})
				defer s()
				for _, ok := n(); ok; _, ok = n() {
				}
			})
			for i := range 3 {
				v, ok := next()
				assert.True(t, ok)
				assert.Equal(t, i, v)
			}
			_, ok := next()
			assert.False(t, ok)
			stop()
		},
	}
	for name, way := range ways {
		t.Run(name, func(t *testing.T) { onGoroutine(way) })
	}
}

func TestNextStopAndResumeFromAnyGoroutine(t *testing.T) {
	needsFree(t)
	next, stop := greenlet.Pull(count(100))
	c := greenlet.NewCoroutine(accumulator)
	sum := 0
	for i := range 10 {
		onGoroutine(func() {
			v, ok := next()
			assert.True(t, ok)
			assert.Equal(t, i, v)
			sum += i
			out, ok, err := c.Resume(i)
			assert.NoError(t, err)
			assert.True(t, ok)
			assert.Equal(t, sum, out)
		})
	}
	onGoroutine(stop)
	_, ok := next()
	assert.False(t, ok)
	onGoroutine(func() { assert.NoError(t, c.Stop()) })
	_, ok, err := c.Resume(1)
	assert.NoError(t, err)
	assert.False(t, ok)
}

// What a body has made goes where it goes.
func TestWhatHangsUnderABodyGoesWithIt(t *testing.T) {
	needsFree(t)
	next, stop := greenlet.Pull(func(yield func(int) bool) {
		me := greenlet.Current()
		child := greenlet.New(func(v any) (any, error) {
			for {
				var err error
				if v, err = me.Switch(v.(int) * 2); err != nil {
					return nil, err
				}
			}
		})
		inner, stopInner := greenlet.Pull(count(100))
		defer stopInner()
		for {
			i, _ := inner()
			v, err := child.Switch(i)
			if err != nil || !yield(v.(int)) {
				assert.NoError(t, err)
				assert.NoError(t, child.Kill())
				return
			}
		}
	})
	for i := range 10 {
		onGoroutine(func() {
			v, ok := next()
			assert.True(t, ok)
			assert.Equal(t, 2*i, v)
		})
	}
	onGoroutine(stop)
}

func TestSuspendedInCItStaysOnItsGoroutine(t *testing.T) {
	needsFree(t)
	pullFromAnotherGoroutine(t, countInC(3))
}

// Two at once: one of them gets an error, in every build, and the other one its value.
func TestTwoAtOnceIsAnError(t *testing.T) {
	needsFree(t)
	inside, on := make(chan bool), make(chan bool)
	next, stop := greenlet.Pull(func(yield func(int) bool) {
		for i := 0; ; i++ {
			inside <- true
			<-on
			if !yield(i) {
				return
			}
		}
	})
	for i := range 3 {
		done := make(chan bool)
		go func() {
			defer close(done)
			v, ok := next()
			assert.True(t, ok)
			assert.Equal(t, i, v)
		}()
		<-inside
		err, _ := recovered(func() { next() }).(error)
		assert.ErrorIs(t, err, greenlet.ErrWrongThread)
		err, _ = recovered(stop).(error)
		assert.ErrorIs(t, err, greenlet.ErrWrongThread)
		on <- true
		<-done
	}
	stop()
}

// Many goroutines call one next without any order: each value comes once, to somebody, or
// the call is refused.
func TestManyAtOnceLoseNothing(t *testing.T) {
	needsFree(t)
	if raceEnabled {
		t.Skip("it is a race, and is to be one")
	}
	const n = 20_000
	next, stop := greenlet.Pull(count(n))
	var seen [n]atomic.Int32
	var got, refused atomic.Int64
	var wg sync.WaitGroup
	for range 4 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for {
				more := true
				err := recovered(func() {
					v, ok := next()
					if more = ok; ok {
						seen[v].Add(1)
						got.Add(1)
					}
				})
				if err != nil {
					refused.Add(1)
					if !assert.ErrorIs(t, err.(error), greenlet.ErrWrongThread) {
						return
					}
					runtime.Gosched()
				}
				if !more {
					return
				}
			}
		}()
	}
	wg.Wait()
	stop()
	for i := range seen {
		require.Equal(t, int32(1), seen[i].Load(), i)
	}
	t.Logf("%d values, %d refusals", got.Load(), refused.Load())
}

// Generators that are passed among goroutines.
func TestGeneratorsPassedAround(t *testing.T) {
	needsFree(t)
	gens, workers, nexts := 1000, 50, 100
	if testing.Short() {
		gens, nexts = 200, 20
	}
	type gen struct {
		next func() (int, bool)
		want int
	}
	ch := make(chan *gen, gens)
	for range gens {
		next, _ := greenlet.Pull(count(nexts))
		ch <- &gen{next: next}
	}
	var left atomic.Int64
	left.Store(int64(gens))
	var wg sync.WaitGroup
	for range workers {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for g := range ch {
				v, ok := g.next()
				if !ok {
					assert.Equal(t, nexts, g.want)
					if left.Add(-1) == 0 {
						close(ch)
					}
					continue
				}
				if !assert.Equal(t, g.want, v) {
					return
				}
				g.want++
				ch <- g
			}
		}()
	}
	wg.Wait()
}

// A goroutine ends and leaves greenlets behind: those that are not in C end, with their
// deferred calls.
func TestWhatAGoroutineLeavesBehindEnds(t *testing.T) {
	needsFree(t)
	const n = 20
	var ended atomic.Int32
	before := runtime.NumGoroutine()
	for range n {
		onGoroutine(func() {
			root := greenlet.Current()
			g := greenlet.New(func(any) (any, error) {
				defer ended.Add(1)
				return root.Switch(nil)
			})
			value(t, nil)(g.Switch(nil))
			kept = append(kept, g)
		})
	}
	collectUntil(t, func() bool { return ended.Load() == n })
	for _, g := range kept {
		assert.Eventually(t, g.Dead, 10*time.Second, time.Millisecond)
		// A dead one stands for its parent, and in the end for the caller's root; but only when all
		// that its goroutine has left is ended, and not this one alone.
		waitFor(t, func() bool {
			_, err := g.Switch(nil)
			if err != nil {
				assert.ErrorIs(t, err, greenlet.ErrThreadExited)
			}
			return err == nil
		})
	}
	kept = nil
	assert.Eventually(t, func() bool { return runtime.NumGoroutine() <= before+2 }, 10*time.Second, time.Millisecond)
}

var kept []*greenlet.Greenlet

func collectUntil(t *testing.T, done func() bool) {
	t.Helper()
	require.Eventually(t, func() bool { runtime.GC(); return done() }, 20*time.Second, time.Millisecond)
}

// A forgotten one ends although its goroutine does not call the package any more.
func TestAForgottenOneEndsWithoutACallOfItsGoroutine(t *testing.T) {
	needsFree(t)
	var ended atomic.Bool
	made, on := make(chan bool), make(chan bool)
	go func() {
		next, _ := greenlet.Pull(func(yield func(int) bool) {
			defer ended.Store(true)
			for yield(1) {
			}
		})
		next()
		made <- true
		<-on
	}()
	<-made
	collectUntil(t, ended.Load)
	on <- true
}

// A goroutine ends while one of its greenlets is suspended in C, on the thread's own stack
// (and the goroutine has run on another one since). The thread ends on its own.
func TestAThreadEndsWithOneSuspendedInC(t *testing.T) {
	needsFree(t)
	if emulator != "" {
		t.Skip("its threads are slow to end")
	}
	const n = 30
	before := threads()
	for i := range n {
		onGoroutine(func() {
			next, _ := greenlet.Pull(countInC(3))
			next()
			require.True(t, locked())
			cgotest.Call(func() {
				if i%3 == 0 {
					runtime.GC()
				}
			})
			if i%2 == 0 {
				runtime.Goexit()
			}
		})
	}
	assert.Eventually(t, func() bool { return threads() < before+n/2 }, 10*time.Second, 10*time.Millisecond)
}

// whenThreadsHaveEnded calls f on two goroutines, which end with f, and which f ties or locks to their
// threads. It returns when a thread has ended, of which only the C core knows, and no collection comes
// before the end of the test. (One of the two may be the main thread, which does not end.)
func whenThreadsHaveEnded(t *testing.T, f func(i int)) {
	t.Helper()
	percent := debug.SetGCPercent(-1) // a collection would end them
	t.Cleanup(func() { debug.SetGCPercent(percent) })
	require.Eventually(t, func() bool {
		var here, over sync.WaitGroup
		here.Add(2)
		over.Add(2)
		for i := range 2 {
			go func() {
				defer over.Done()
				f(i)
				here.Done()
				here.Wait() // so that there are two threads
			}()
		}
		over.Wait()
		for range 100 {
			if time.Sleep(time.Millisecond); greenlet.EndedThread() {
				return true
			}
		}
		return false
	}, 20*time.Second, time.Millisecond)
}

// A thread has ended when a tree is bound to one that is new to this package.
func TestATreeIsBoundWhenAThreadHasEnded(t *testing.T) {
	needsFree(t)
	var held [2]func() (int, bool)
	whenThreadsHaveEnded(t, func(i int) {
		held[i], _ = greenlet.Pull(countInC(3))
		held[i]()
	})
	over := make(chan struct{})
	defer close(over)
	for i := 0; greenlet.EndedThread(); i++ {
		require.Less(t, i, 500, "all threads are known to the package")
		done := make(chan struct{})
		go func() {
			defer func() { <-over }()
			defer close(done)
			greenlet.Current()
			value(t, 1)(greenlet.New(returns(1, nil), greenlet.WithStackSize(64<<10)).Switch(nil))
			assert.False(t, greenlet.FreeTree())
		}()
		select {
		case <-done:
		case <-time.After(20 * time.Second):
			t.Fatal("it hangs")
		}
	}
	runtime.KeepAlive(held)
}

// A body that is suspended in C has ended with the thread, though nobody has looked.
func TestABodyOfAThreadThatHasEndedIsDead(t *testing.T) {
	needsFree(t)
	for name, operation := range map[string]func(c *greenlet.Coroutine[int, int]) error{
		"Resume": func(c *greenlet.Coroutine[int, int]) error {
			_, ok, err := c.Resume(1)
			assert.False(t, ok)
			return err
		},
		"Stop": func(c *greenlet.Coroutine[int, int]) error { return c.Stop() },
	} {
		t.Run(name, func(t *testing.T) {
			var bodies []*greenlet.Coroutine[int, int]
			var mu sync.Mutex
			whenThreadsHaveEnded(t, func(int) {
				c := greenlet.NewCoroutine(func(yield func(int) (int, error), v int) (err error) {
					cgotest.Call(func() { _, err = yield(v) })
					return err
				})
				_, ok, err := c.Resume(1)
				assert.NoError(t, err)
				assert.True(t, ok)
				mu.Lock()
				defer mu.Unlock()
				bodies = append(bodies, c)
			})
			refused := 0
			for _, c := range bodies {
				if err := operation(c); err != nil { // its thread lives, as the main thread does
					refused++
					assert.ErrorIs(t, err, greenlet.ErrWrongThread)
					assert.ErrorIs(t, operation(c), greenlet.ErrWrongThread)
				}
			}
			assert.Less(t, refused, len(bodies))
			assert.False(t, greenlet.EndedThread())
		})
	}
}

// Nobody has a reference to the root, and its last greenlet ends in an operation that the root makes
// in C, on a stack that stands in for the thread's own: the tree does not end there, and the stack
// stays where it is.
func TestTheLastOneEndsInAnOperationInC(t *testing.T) {
	needsFree(t)
	for _, fails := range []bool{false, true} {
		for range 100 {
			onGoroutine(func() {
				other := greenlet.New(returns(nil, nil))
				next, stop := greenlet.Pull(func(func(int) bool) {
					cgotest.Call(func() {
						_, err := other.Switch(nil) // ends it, and the root goes on
						assert.ErrorIs(t, err, greenlet.ErrExit)
						if fails {
							panic(err)
						}
					})
				})
				assert.NotNil(t, recovered(func() { next() }))
				assert.True(t, locked())
				intact := cgotest.Locals(1000, func() { assert.Equal(t, fails, recovered(stop) != nil) })
				assert.True(t, intact)
				cgotest.Call(func() {})
				assert.True(t, greenlet.FreeTree())
				assert.NoError(t, greenlet.New(returns(nil, nil)).Kill()) // the next operation
				value(t, 1)(greenlet.New(returns(1, nil)).Switch(nil))
				assert.False(t, locked())
				assert.False(t, greenlet.FreeTree())
			})
		}
	}
}

// A tree is not bound to its thread while the root is in C on a stack that stands in for the thread's
// own: that was taken for the thread's, and what C had suspended there later was overwritten.
func TestATreeIsNotBoundInCOnAStackThatStandsIn(t *testing.T) {
	needsFree(t)
	for range 20 {
		onGoroutine(func() {
			sized := func() {
				value(t, 1)(greenlet.New(returns(1, nil), greenlet.WithStackSize(64<<10)).Switch(nil))
			}
			greenlet.Current()
			inC := suspendedInC(t)
			intact := cgotest.Locals(1000, func() {
				assert.NoError(t, inC.Kill())
				sized()
				assert.True(t, greenlet.FreeTree())
			})
			assert.True(t, intact)
			sized()
			assert.False(t, greenlet.FreeTree())
			var next [3]func() (int, bool)
			for i := range next {
				next[i], _ = greenlet.Pull(countInC(3))
			}
			for k := range 3 {
				for i := range next {
					v, ok := next[i]()
					assert.Equal(t, []any{k, true}, []any{v, ok})
					deepen(200)
				}
			}
		})
	}
}

// Nor is it bound in an iter.Pull of the root's, which Go resumes under the lock under which it was made
// alone.
func TestATreeIsNotBoundInAnIterPull(t *testing.T) {
	needsFree(t)
	onGoroutine(func() {
		greenlet.Current()
		next, stop := iter.Pull(func(yield func(int) bool) {
			value(t, 1)(greenlet.New(returns(1, nil), greenlet.WithStackSize(64<<10)).Switch(nil))
			assert.True(t, greenlet.FreeTree())
			yield(1)
		})
		next()
		stop()
	})
}

// However many iter.Pulls have resumed one another, the innermost body is in the tree of the goroutine
// that has resumed the first.
func TestManyIterPullsInOneAnother(t *testing.T) {
	needsFree(t)
	var pull func(n int, f func())
	pull = func(n int, f func()) {
		if n == 0 {
			f()
			return
		}
		next, stop := iter.Pull(func(func(int) bool) { pull(n-1, f) })
		next()
		stop()
	}
	onGoroutine(func() {
		root := greenlet.Current()
		inC := suspendedInC(t)
		cgotest.Call(func() {
			pull(1100, func() {
				assert.Same(t, root, greenlet.Current())
				value(t, 1)(greenlet.New(returns(1, nil)).Switch(nil))
			})
		})
		assert.NoError(t, inC.Kill())
	})
}

// Two in C, of which the second, on a stack of ours, ends first, and the other way round.
func TestCFramesInAnyOrder(t *testing.T) {
	needsFree(t)
	for _, order := range [][]int{{0, 1, 2}, {2, 1, 0}, {1, 2, 0}} {
		onGoroutine(func() {
			var next [3]func() (int, bool)
			for i := range next {
				next[i], _ = greenlet.Pull(countInC(4))
			}
			for k := range 4 {
				for _, i := range order {
					v, ok := next[i]()
					require.True(t, ok)
					require.Equal(t, k, v)
				}
			}
			for _, i := range order {
				assert.True(t, locked())
				_, ok := next[i]()
				require.False(t, ok)
			}
			assert.False(t, locked())
			cgotest.Call(func() {})
		})
	}
}

// A thousand goroutines with an open Pull each do not take a thousand threads.
func TestOpenPullsTakeNoThreads(t *testing.T) {
	needsFree(t)
	const n = 1000
	before := threads()
	on := make(chan bool)
	var up, down sync.WaitGroup
	for range n {
		up.Add(1)
		down.Add(1)
		go func() {
			defer down.Done()
			next, stop := greenlet.Pull(count(3))
			defer stop()
			next()
			up.Done()
			<-on
			v, ok := next()
			assert.Equal(t, fmt.Sprint(1, true), fmt.Sprint(v, ok))
		}()
	}
	up.Wait()
	assert.Less(t, threads(), before+20)
	close(on)
	down.Wait()
}

// A g is used again by the runtime: whoever comes after a root on it is not that root.
func TestANewGoroutineIsNotTheRootThatHadItsG(t *testing.T) {
	needsFree(t)
	for range 200 {
		var g *greenlet.Greenlet
		onGoroutine(func() {
			root := greenlet.Current()
			g = greenlet.New(func(any) (any, error) {
				v, err := root.Switch(nil)
				assert.Error(t, err, "somebody has taken it for his own")
				return v, err
			})
			value(t, nil)(g.Switch(nil))
		})
		time.Sleep(20 * time.Microsecond) // until it has ended
		for range 4 {                     // one of them gets its g
			onGoroutine(func() {
				if _, err := g.Switch(nil); err != nil { // else it has ended by now
					if !errors.Is(err, greenlet.ErrThreadExited) { // the goroutine is about to end
						assert.ErrorIs(t, err, greenlet.ErrWrongThread)
					}
				} else {
					assert.True(t, g.Dead())
				}
			})
		}
	}
}

// SetParent moves a suspended greenlet, with all under it, to another goroutine.
func TestSetParentMovesAStartedOne(t *testing.T) {
	needsFree(t)
	home := greenlet.New(func(any) (any, error) { return nil, nil })
	var there *greenlet.Greenlet
	ready, moved, done := make(chan bool), make(chan bool), make(chan bool)
	go func() {
		defer close(done)
		there = greenlet.Current()
		ready <- true
		<-moved
		// Both go on here, and what they return comes here.
		child := *kin.Load()
		value(t, "child 2")(child.Switch(2))
		value(t, "parent 3")(child.Parent().Switch(3))
		assert.True(t, child.Parent().Dead())
		value(t, "child's end")(child.Switch(4)) // by way of its parent, to the root here
	}()
	<-ready
	defer func() { assert.NoError(t, home.Kill()) }()
	root := greenlet.Current()
	var child *greenlet.Greenlet
	parent := greenlet.New(func(any) (any, error) {
		child = greenlet.New(func(v any) (any, error) {
			for v != 4 {
				var err error
				if v, err = greenlet.Current().Parent().Parent().Switch(fmt.Sprint("child ", v)); err != nil {
					return nil, err
				}
			}
			return "child's end", nil
		})
		value(t, nil)(child.Switch(1)) // which switches to the root
		v, err := root.Switch("begun")
		return fmt.Sprint("parent ", v), err
	})
	value(t, "child 1")(parent.Switch(nil))
	value(t, "begun")(parent.Switch(nil))
	assert.ErrorIs(t, root.SetParent(there), greenlet.ErrRootParent)
	require.NoError(t, parent.SetParent(there))
	_, err := parent.Switch(nil)
	assert.ErrorIs(t, err, greenlet.ErrWrongThread)
	_, err = child.Switch(nil)
	assert.ErrorIs(t, err, greenlet.ErrWrongThread)
	kin.Store(&child)
	moved <- true
	<-done
	assert.True(t, parent.Dead())
	assert.True(t, child.Dead())
}

// A greenlet that got its place below a body after its start moves with it, also with one
// between them that has not begun.
func TestAStartedOneThatIsPutBelowABodyMovesWithIt(t *testing.T) {
	needsFree(t)
	for _, between := range []bool{false, true} {
		for _, first := range []bool{false, true} { // the one between gets its parent before its child, or after
			var body, child *greenlet.Greenlet
			c := greenlet.NewCoroutine(func(yield func(int) (int, error), _ int) error {
				body = greenlet.Current()
				_, err := yield(1)
				assert.NoError(t, err)
				// Here by now, and the child with it.
				v, err := child.Switch(nil)
				assert.NoError(t, err)
				assert.Equal(t, "ended", v)
				return err
			})
			onGoroutine(func() {
				root := greenlet.Current()
				_, _, err := c.Resume(0)
				require.NoError(t, err)
				child = greenlet.New(func(any) (any, error) {
					_, err := root.Switch(nil)
					return "ended", err
				})
				value(t, nil)(child.Switch(nil))
				if !between {
					require.NoError(t, child.SetParent(body))
					return
				}
				middle := greenlet.New(func(v any) (any, error) { return v, nil })
				if first {
					require.NoError(t, middle.SetParent(body))
				}
				require.NoError(t, child.SetParent(middle))
				if !first {
					require.NoError(t, middle.SetParent(body))
				}
			})
			_, more, err := c.Resume(0)
			assert.False(t, more)
			assert.NoError(t, err)
			assert.True(t, child.Dead())
		}
	}
}

var kin atomic.Pointer[*greenlet.Greenlet]

// What cannot be moved, and that nothing is touched then.
func TestSetParentRefusesWhatCannotBeMoved(t *testing.T) {
	needsFree(t)
	var there *greenlet.Greenlet
	ready, end := make(chan bool), make(chan bool)
	go func() {
		there = greenlet.Current()
		ready <- true
		<-end
	}()
	<-ready
	defer close(end)
	root := greenlet.Current()
	suspended := func(body func()) *greenlet.Greenlet {
		g := greenlet.New(func(any) (any, error) { body(); return "end", nil })
		value(t, "in")(g.Switch(nil))
		return g
	}
	in := func() { value(t, nil)(root.Switch("in")) }
	var last *greenlet.Greenlet
	for name, body := range map[string]func(){
		"in C":   func() { cgotest.Call(in) },
		"locked": func() { runtime.LockOSThread(); defer runtime.UnlockOSThread(); in() },
		"next": func() {
			next, stop := greenlet.Pull(func(yield func(int) bool) {
				last = greenlet.Current() // the one to go on with
				in()
				yield(1)
			})
			defer stop()
			next()
		},
	} {
		last = nil
		g := suspended(body)
		if last == nil {
			last = g
		}
		assert.ErrorIs(t, g.SetParent(there), greenlet.ErrWrongThread, name)
		assert.Same(t, root, g.Parent(), name)
		value(t, "end")(last.Switch(nil))
	}
}

// An iter.Pull of a Run's root works in its greenlets, and the other way round, while C is
// suspended beside them.
func TestIterPullOfARunsRootInItsGreenlets(t *testing.T) {
	needsFree(t)
	use := func(root *greenlet.Greenlet, inC bool) {
		if inC {
			next, stop := greenlet.Pull(countInC(2))
			next()
			defer stop()
		}
		next, stop := iter.Pull(count(6))
		v, _ := next()
		assert.Equal(t, 0, v)
		var theirs func() (int, bool)
		var stopTheirs func()
		g := greenlet.New(func(any) (any, error) {
			theirs, stopTheirs = iter.Pull(count(4))
			for i := range 2 {
				v, _ := next()
				assert.Equal(t, 2*i+1, v)
				v, _ = theirs()
				assert.Equal(t, 2*i, v)
				value(t, nil)(root.Switch(nil))
			}
			return nil, nil
		})
		for i := range 2 {
			value(t, nil)(g.Switch(nil))
			v, _ = next()
			assert.Equal(t, 2*i+2, v)
			v, _ = theirs()
			assert.Equal(t, 2*i+1, v)
		}
		stop()
		stopTheirs()
		value(t, nil)(g.Switch(nil))
	}
	for _, inC := range []bool{false, true} {
		onGoroutine(func() {
			assert.NoError(t, greenlet.Run(func(root *greenlet.Greenlet) error { use(root, inC); return nil }))
		})
		onGoroutine(func() {
			assert.NoError(t, runFree(func(root *greenlet.Greenlet) error { use(root, inC); return nil }))
		})
	}
}

// One UnlockOSThread too many, or some, change nothing about the tie.
func TestSurplusUnlocksInATiedTree(t *testing.T) {
	needsFree(t)
	onGoroutine(func() {
		unlock := func() {
			for range 10 {
				runtime.UnlockOSThread()
			}
		}
		next, stop := greenlet.Pull(countInC(3))
		next()
		tid := threadID()
		unlock()
		require.True(t, locked())
		g := greenlet.New(func(any) (any, error) {
			unlock()
			assert.True(t, locked())
			for range 20 {
				runtime.Gosched()
				assert.Equal(t, tid, threadID())
			}
			return nil, nil
		})
		value(t, nil)(g.Switch(nil))
		v, ok := next()
		assert.True(t, ok)
		assert.Equal(t, 1, v)
		unlock()
		stop()
		assert.False(t, locked())
	})
}
