//go:build cgo && linux

package greenlet_test

import (
	"fmt"
	"io"
	"iter"
	"os"
	"runtime"
	"runtime/pprof"
	"runtime/trace"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-greenlet/greenlet"
	"github.com/go-greenlet/greenlet/internal/cgotest"
	"github.com/go-greenlet/greenlet/internal/gort"
	"github.com/go-greenlet/greenlet/internal/handle"
)

// What a switch without the scheduler must see to, each with the way in which it once
// went wrong. Most of these tests end the process if it goes wrong again.

// crowd starts greenlets of all kinds that wait in Switch: some in Go, some in C, some
// deeper in both, one with a C stack of its own. A Switch to one of them returns what
// it is given.
func crowd(t testing.TB, n int) (all []*greenlet.Greenlet) {
	t.Helper()
	for i := range n {
		var opts []greenlet.Option
		if i%8 == 7 {
			opts = append(opts, greenlet.WithStackSize(96<<10))
		}
		g := greenlet.New(func(v any) (any, error) {
			var err error
			once := func() {
				if err == nil {
					v, err = greenlet.Current().Parent().Switch(v)
				}
			}
			for err == nil {
				switch i % 4 {
				case 0, 1:
					once()
				case 2:
					cgotest.Call(once)
				case 3:
					cgotest.Call(func() { once(); cgotest.Call(once); once() })
				}
			}
			return v, err
		}, opts...)
		value(t, i)(g.Switch(i))
		all = append(all, g)
	}
	return all
}

// whileSwitching runs f again and again, for some time, beside a tree of which the
// greenlets are switched to all the time.
func whileSwitching(t *testing.T, n int, f func()) {
	t.Helper()
	d := 400 * time.Millisecond
	if testing.Short() {
		d /= 4
	}
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Add(1)
	go func() {
		defer wg.Done()
		tree(t, func(*greenlet.Greenlet) {
			all := crowd(t, n)
			for round := 0; ; round++ {
				select {
				case <-stop:
					return
				default:
				}
				for i, g := range all {
					v, err := g.Switch(round + i)
					if v != round+i || err != nil {
						t.Error(v, err)
						return
					}
				}
			}
		})
	}()
	rounds := 0
	for end := time.Now().Add(d); time.Now().Before(end); rounds++ {
		f()
	}
	close(stop)
	wg.Wait()
	t.Logf("%d rounds", rounds)
}

// A goroutine profile is taken while the world runs: whoever runs then has been
// recorded, and whoever is to run is recorded first. One that was neither is found
// running: "cannot read stack of running goroutine".
func TestGoroutineProfilesWhileSwitching(t *testing.T) {
	records := make([]runtime.StackRecord, 10_000)
	whileSwitching(t, 40, func() {
		assert.NoError(t, pprof.Lookup("goroutine").WriteTo(io.Discard, 0))
		n, ok := runtime.GoroutineProfile(records)
		assert.True(t, ok, n)
	})
}

// The tracer unwinds goroutines that wait by their frame pointers, which lead through
// C frames to anywhere. It does that as a trace begins, and for each of its generations.
func TestTracesOfGreenletsThatWaitInC(t *testing.T) {
	start := func() {
		require.NoError(t, trace.Start(io.Discard))
		time.Sleep(time.Millisecond) // so that some switches are in it
		trace.Stop()
	}
	whileSwitching(t, 40, start)
	if err := cgotest.OnThread(func() { // the root has C frames, too
		all := crowd(t, 40)
		for range 5 {
			require.NoError(t, trace.Start(io.Discard))
			for i, g := range all {
				value(t, i)(g.Switch(i))
			}
			trace.Stop()
			// And one that begins and ends while the root waits.
			value(t, nil)(greenlet.New(func(any) (any, error) { start(); return nil, nil }).Switch(nil))
		}
		for _, g := range all {
			require.NoError(t, g.Kill())
		}
	}); err != nil {
		t.Error(err)
	}
}

// In the middle of a switch out of C, its goroutine runs with what the next one has. The
// tracer can come then, too: a stop of the world preempts it, which is an event with a
// stack.
func TestTracesOfPreemptionsInSwitches(t *testing.T) {
	require.NoError(t, trace.Start(io.Discard))
	defer trace.Stop()
	whileSwitching(t, 40, func() { runtime.ReadMemStats(new(runtime.MemStats)) })
}

// The root runs on its thread's own C stack whoever is suspended: that is where the
// thread will end.
func TestTheRootRunsOnItsThreadsStack(t *testing.T) {
	check := func() {
		here := cgotest.StackAddress()
		near := func() bool {
			d := cgotest.StackAddress() - here
			return int64(d) < 64<<10 && int64(d) > -64<<10
		}
		var all []*greenlet.Greenlet
		for range 3 {
			all = append(all, crowd(t, 16)...)
			require.True(t, near())
			for i, g := range all {
				value(t, i)(g.Switch(i))
				require.True(t, near())
				value(t, false)(greenlet.New(func(any) (any, error) { return near(), nil }).Switch(nil))
				require.True(t, near())
			}
			for i, g := range all {
				if i%3 == 0 {
					require.NoError(t, g.Kill())
				}
				require.True(t, near())
			}
			all = nil
		}
	}
	tree(t, func(*greenlet.Greenlet) {
		check()
		cgotest.Call(check) // in C by itself
	})
	require.NoError(t, cgotest.OnThread(check))
	offMainThread(func() {
		greenlet.Current()
		check()
	})
}

// A new greenlet may enter C, block, or have its stack grown before anything else: the
// runtime throws if what makes a goroutine begin is still in its record then.
func TestTheFirstThingThatAGreenletDoes(t *testing.T) {
	for name, first := range map[string]func(){
		"C":           func() { cgotest.Call(func() {}) },
		"system call": func() { _ = syscall.Getppid() },
		"block":       func() { time.Sleep(time.Microsecond) },
		"grow":        func() { growStack(1000) },
		"yield":       runtime.Gosched,
		"collect":     runtime.GC,
		"nest":        func() { _, _ = greenlet.New(func(any) (any, error) { runtime.Gosched(); return nil, nil }).Switch(nil) },
	} {
		t.Run(name, func(t *testing.T) {
			tree(t, func(*greenlet.Greenlet) {
				for range 3 { // a new one each time: the others still live
					g := greenlet.New(func(v any) (any, error) { first(); return echo(v) })
					value(t, 1)(g.Switch(1))
				}
			})
		})
	}
}

// Whoever runs is locked to the thread: it comes back to it from everything that makes
// others run there.
func TestAGreenletStaysOnItsThread(t *testing.T) {
	busy := make(chan struct{})
	var wg sync.WaitGroup
	for range 4 { // others that want the processors, and the threads
		wg.Add(1)
		go func() {
			defer wg.Done()
			for {
				select {
				case <-busy:
					return
				default:
					_ = syscall.Getppid()
					runtime.Gosched()
				}
			}
		}()
	}
	tree(t, func(root *greenlet.Greenlet) {
		tid := syscall.Gettid()
		stay := func() {
			for _, f := range []func(){runtime.Gosched, func() { time.Sleep(time.Microsecond) }, runtime.GC,
				func() { c := make(chan int); go func() { c <- 1 }(); <-c }} {
				f()
				require.Equal(t, tid, syscall.Gettid())
			}
		}
		var all []*greenlet.Greenlet
		for i := range 8 {
			g := greenlet.New(func(v any) (any, error) {
				for {
					stay()
					if i%2 == 0 {
						cgotest.Call(stay)
					}
					if _, err := root.Switch(nil); err != nil {
						return nil, err
					}
				}
			})
			all = append(all, g)
		}
		for range 3 {
			for _, g := range all {
				value(t, nil)(g.Switch(nil))
				stay()
			}
		}
	})
	close(busy)
	wg.Wait()
}

// What a body does with LockOSThread and UnlockOSThread is its own matter: it cannot
// unlock the thread, and it leaves no lock to others.
func TestBodiesThatLockAndUnlockTheThread(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(4)) // with one P there may be nowhere to move to
	moved := func() bool {                          // says whether the calling goroutine can be moved
		tid := syscall.Gettid()
		for range 10 {
			time.Sleep(10 * time.Microsecond)
			if syscall.Gettid() != tid {
				return true
			}
		}
		return false
	}
	busy := make(chan struct{})
	for range 2 * runtime.GOMAXPROCS(0) {
		go func() {
			for {
				select {
				case <-busy:
					return
				default:
					time.Sleep(5 * time.Microsecond)
				}
			}
		}()
	}
	defer close(busy)
	done := make(chan struct{})
	go func() {
		defer close(done)
		tree(t, func(root *greenlet.Greenlet) {
			for _, locks := range []int{-3, -1, 1, 3} {
				var all []*greenlet.Greenlet
				for i := range 4 {
					all = append(all, greenlet.New(func(any) (any, error) {
						change := func() {
							for range locks {
								runtime.LockOSThread()
							}
							for range -locks {
								runtime.UnlockOSThread()
							}
						}
						for range 3 {
							change()
							assert.False(t, moved())
							if i%2 == 0 {
								cgotest.Call(func() { _, _ = root.Switch(nil) })
							} else {
								_, _ = root.Switch(nil)
							}
						}
						return nil, nil
					}))
				}
				for range 4 {
					for _, g := range all {
						value(t, nil)(g.Switch(nil))
						assert.False(t, moved())
					}
				}
				// Those that come next, on what the others have left.
				value(t, false)(greenlet.New(func(any) (any, error) {
					runtime.UnlockOSThread()
					return moved(), nil
				}).Switch(nil))
				assert.False(t, moved())
			}
		})
		// The root is unlocked now, as far as it was not locked before.
		deadline := time.Now().Add(10 * time.Second)
		for !moved() {
			if time.Now().After(deadline) {
				t.Error("the goroutine is still locked to its thread")
				return
			}
		}
	}()
	<-done

	// The root's own locks are as they were, too.
	tree(t, func(*greenlet.Greenlet) {
		runtime.LockOSThread()
		value(t, 1)(greenlet.New(returns(1, nil)).Switch(nil))
		all := crowd(t, 8)
		runtime.UnlockOSThread()
		for i, g := range all {
			value(t, i)(g.Switch(i))
			assert.False(t, moved())
		}
	})
}

// On a thread that C has made, the runtime guesses at every call from C where the stack
// is, unless it is told that it knows. In a greenlet it would guess wrong, and the next
// ones would have that.
func TestCallsFromCOnThreadsOfC(t *testing.T) {
	require.NoError(t, cgotest.OnThread(func() {
		root := greenlet.Current()
		for _, size := range []int{0, 64 << 10, 512 << 10} {
			var all []*greenlet.Greenlet
			for i := range 16 {
				g := greenlet.New(func(any) (any, error) {
					var err error
					// Far down on the C stack, farther than what the runtime takes for granted.
					for _, bytes := range []int{0, 8 << 10, 20 << 10, 38 << 10} {
						ok := cgotest.Locals(bytes, func() {
							growStack(100)
							if i%2 == 0 && err == nil {
								_, err = root.Switch(nil)
							}
							if !cgotest.Locals(256, func() { growStack(100); runtime.Gosched() }) {
								t.Error("locals of C have changed")
							}
						})
						if !ok {
							t.Error("locals of C have changed")
						}
						if err == nil {
							_, err = root.Switch(nil)
						}
					}
					return nil, err
				}, greenlet.WithStackSize(size))
				all = append(all, g)
			}
			for alive := true; alive; {
				alive = false
				for _, g := range all {
					if !g.Dead() {
						value(t, nil)(g.Switch(nil))
						alive = true
					}
					// The root's own calls, from its own stack.
					if !cgotest.Locals(100, func() { growStack(100) }) {
						t.Error("locals of C have changed")
					}
				}
				runtime.GC()
			}
		}
	}))
}

// The race detector knows of each switch that what was done before it is seen after it.
// (It is told so only under -race.)
func TestASwitchIsASynchronisation(t *testing.T) {
	tree(t, func(root *greenlet.Greenlet) {
		shared := map[int]int{}
		sum := 0
		var all []*greenlet.Greenlet
		for i := range 8 {
			g := greenlet.New(func(any) (any, error) {
				defer func() { shared[-1-i]++ }()
				for n := 0; ; n++ {
					shared[i] += n
					sum++
					touch := func() (err error) { _, err = root.Switch(nil); return err }
					var err error
					if i%2 == 0 {
						cgotest.Call(func() { shared[i]++; err = touch(); shared[i]-- })
					} else {
						err = touch()
					}
					if err != nil || n == 50 {
						return nil, err
					}
				}
			})
			all = append(all, g)
		}
		for range 40 {
			for i, g := range all {
				value(t, nil)(g.Switch(nil))
				shared[i]++
				sum++
			}
		}
		for _, g := range all {
			require.NoError(t, g.Kill())
		}
		require.Equal(t, 40*8*2, sum)
		require.Len(t, shared, 16)
	})
	// From one root to the next on a thread, whose idle greenlets and C stacks stay.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var words [3]int
	for range 3 {
		tree(t, func(*greenlet.Greenlet) {
			for i := range words {
				value(t, nil)(greenlet.New(func(any) (any, error) { words[i]++; return nil, nil }).Switch(nil))
			}
		})
	}
	require.Equal(t, "[3 3 3]", fmt.Sprint(words))
}

// The runtime gives the g of a goroutine that has ended to the next one, anywhere. An
// iter.Pull's goroutine in a greenlet can end without a switch, and is nobody's to the
// tree then.
func TestTheNextGoroutineOnAnIteratorsG(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(max(2, runtime.GOMAXPROCS(0))))
	tree(t, func(root *greenlet.Greenlet) {
		wait := func(any) (any, error) {
			for {
				if _, err := root.Switch(nil); err != nil {
					return nil, err
				}
			}
		}
		other := greenlet.New(wait)
		value(t, nil)(other.Switch(nil))
		same, wrong := 0, 0
		g := greenlet.New(func(any) (any, error) {
			me := greenlet.Current()
			for range 20 {
				var its uintptr
				next, _ := iter.Pull(func(func(int) bool) {
					its = gort.Getg()
					for range 2 { // so that a switch goes on with it
						_, _ = root.Switch(nil)
					}
				})
				_, more := next()
				assert.False(t, more)
				var stop atomic.Bool
				done := make(chan bool)
				go func() {
					g := gort.Getg()
					for !stop.Load() {
						_, err := other.Switch(nil)
						assert.ErrorIs(t, err, greenlet.ErrWrongThread)
					}
					done <- g == its
				}()
				for end := time.Now().Add(5 * time.Millisecond); time.Now().Before(end); {
					if greenlet.Current() != me {
						wrong++
					}
				}
				stop.Store(true)
				if <-done {
					same++
				}
			}
			return nil, nil
		})
		for !g.Dead() {
			value(t, nil)(g.Switch(nil))
		}
		assert.Zero(t, wrong, "another goroutine has changed who is current")
		t.Logf("%d of 20 goroutines had the g of the iterator before them", same)
	})
}

// threadsRoundingUp makes goroutines run on 40 threads, of which most are new, and says how many
// of the threads round upward.
func threadsRoundingUp() (n int) {
	roundsUp, all := make(chan bool), make(chan struct{})
	for range 40 {
		go func() {
			runtime.LockOSThread() // so that it takes a thread for itself, which ends with it
			roundsUp <- cgotest.RoundsUp()
			<-all
		}()
	}
	for range 40 {
		if <-roundsUp {
			n++
		}
	}
	close(all)
	return n
}

// The runtime makes no new threads from one to which a goroutine is locked: they would have
// what that has changed on it, such as its namespace, or here its rounding mode.
func TestNoThreadIsMadeFromAGreenlets(t *testing.T) {
	made := func() int {
		cgotest.RoundUp()
		return threadsRoundingUp()
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // never unlocked, since the thread's state has changed
		tree(t, func(*greenlet.Greenlet) {
			for range 3 {
				value(t, nil)(greenlet.New(func(any) (any, error) {
					runtime.UnlockOSThread() // once too often, which is not to unlock who comes next
					return nil, nil
				}).Switch(nil))
				value(t, 0)(greenlet.New(func(any) (any, error) { return made(), nil }).Switch(nil))
				value(t, 0)(greenlet.New(func(any) (like any, err error) {
					cgotest.Call(func() { like = made() })
					return like, nil
				}).Switch(nil))
			}
		})
	}()
	<-done
}

// Nor from one that ends with its goroutine: no Go code runs there any more, and none on a
// thread that is made there.
func TestNoThreadIsMadeFromOneThatEnds(t *testing.T) {
	if !oneM() {
		t.Skip("the portable engine calls Go as a thread ends")
	}
	for range 10 {
		var ready sync.WaitGroup
		end := make(chan struct{})
		for range 40 {
			ready.Add(1)
			go func() {
				runtime.LockOSThread() // never unlocked, since the thread's state has changed
				cgotest.RoundUp()
				value(t, 1)(greenlet.New(func(any) (any, error) { return greenlet.Current().Parent().Switch(1) }).Switch(nil))
				ready.Done()
				<-end
			}()
		}
		ready.Wait()
		close(end)
		assert.Zero(t, threadsRoundingUp())
	}
}

// The end of a thread of Go's is noted only, on the engine of one M. A list of all does not have its
// tree any more, and a collection frees what it has left.
func TestWhoSeesThatAThreadHasEnded(t *testing.T) {
	if !oneM() {
		t.Skip("the portable engine is called as the thread ends")
	}
	ended := func() (root uint64) {
		var task string
		offMainThread(func() {
			task = fmt.Sprintf("/proc/self/task/%d", syscall.Gettid())
			root = greenlet.Current().ID()
			suspended(t, quietly)
		})
		for {
			if _, err := os.Stat(task); err != nil {
				return root
			}
			time.Sleep(time.Millisecond)
		}
	}
	root := ended()
	for g := range greenlet.All() {
		assert.NotEqual(t, root, g.ID(), "in the list")
	}
	ended()
	before := handle.Live()
	waitFor(t, func() bool { return handle.Live() < before })
}

// The M counts the calls of C of whoever runs, and tracers and profiles go by it. Who was
// suspended by the short way, which saves nothing, and goes on when one suspends in C, is not
// to keep the other's count.
func TestNobodyKeepsTheCallsOfAnother(t *testing.T) {
	if !oneM() {
		t.Skip("each greenlet has an M of its own on the portable engine")
	}
	for name, in := range map[string]func(testing.TB, func(*greenlet.Greenlet)){
		"in a Run":       tree,
		"in a goroutine": func(_ testing.TB, f func(*greenlet.Greenlet)) { f(greenlet.Current()) },
	} {
		t.Run(name, func(t *testing.T) {
			done := make(chan struct{})
			go func() {
				defer close(done)
				in(t, func(root *greenlet.Greenlet) {
					var inC *greenlet.Greenlet
					plain := greenlet.New(func(any) (any, error) {
						_, _ = root.Switch(nil)
						for {
							assert.False(t, greenlet.InCalls(), "it keeps the count")
							if _, err := inC.Switch(nil); err != nil {
								return nil, err
							}
						}
					})
					value(t, nil)(plain.Switch(nil))
					inC = greenlet.New(func(any) (any, error) {
						cgotest.Call(func() {
							for range 3 {
								assert.True(t, greenlet.InCalls())
								_, _ = plain.Switch(nil)
							}
							assert.True(t, greenlet.InCalls())
						})
						assert.False(t, greenlet.InCalls())
						return nil, nil
					})
					value(t, nil)(inC.Switch(nil))
					assert.False(t, greenlet.InCalls())
					assert.NoError(t, plain.Kill())
				})
			}()
			<-done
		})
	}
}
