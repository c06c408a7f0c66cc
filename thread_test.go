package greenlet_test

import (
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
	"github.com/go-greenlet/greenlet/internal/handle"
)

func TestEveryThreadHasItsOwnTree(t *testing.T) {
	var wg sync.WaitGroup
	for range 10 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			tree(t, func(root *greenlet.Greenlet) {
				g := greenlet.New(echo)
				for i := range 100 {
					value(t, i)(g.Switch(i))
				}
			})
		}()
	}
	wg.Wait()
}

func TestAGreenletOfAnotherThreadIsRefused(t *testing.T) {
	tree(t, func(root *greenlet.Greenlet) {
		pending := greenlet.New(echo)
		started, dead := suspended(t, quietly), greenlet.New(returns(nil, nil))
		value(t, nil)(dead.Switch(nil))
		refused := func() {
			for _, g := range []*greenlet.Greenlet{root, pending, started, dead} {
				_, err := g.Switch(1)
				assert.ErrorIs(t, err, greenlet.ErrWrongThread)
				assert.ErrorContains(t, err, g.String())
				_, err = g.Throw(errSome)
				assert.ErrorIs(t, err, greenlet.ErrWrongThread)
				if !g.Dead() && !g.IsRoot() {
					assert.ErrorIs(t, g.Kill(), greenlet.ErrWrongThread)
				}
			}
		}
		done := make(chan struct{})
		go func() { // a plain goroutine, which stays one
			defer close(done)
			refused()
			assert.NoError(t, greenlet.Run(func(*greenlet.Greenlet) error { refused(); return nil }))
		}()
		<-done
		assert.Equal(t, greenlet.Pending, pending.State())
		assert.Equal(t, greenlet.Suspended, started.State())
		value(t, 2)(started.Switch(2))
	})
}

func TestAGreenletOfAnExitedThreadIsRefused(t *testing.T) {
	var root, pending, started, dead *greenlet.Greenlet
	done := make(chan struct{})
	go func() {
		defer close(done)
		offMainThread(func() {
			root = greenlet.Current()
			pending, started, dead = greenlet.New(echo), suspended(t, func(any, error) (any, error) {
				t.Error("its body can never run again")
				return nil, nil
			}), greenlet.New(returns(nil, nil))
			value(t, nil)(dead.Switch(nil))
		})
	}()
	<-done
	waitFor(t, started.Dead)
	assert.True(t, root.Dead())
	assert.False(t, root.Active())
	assert.Equal(t, greenlet.Pending, pending.State())
	for _, g := range []*greenlet.Greenlet{root, pending, started, dead} {
		_, err := g.Switch(1)
		assert.ErrorIs(t, err, greenlet.ErrThreadExited)
		_, err = g.Throw(errSome)
		assert.ErrorIs(t, err, greenlet.ErrThreadExited)
	}
	assert.NoError(t, started.Kill())
	assert.Contains(t, started.String(), "exited")

	// The pending one can still be moved, and then runs.
	tree(t, func(root *greenlet.Greenlet) {
		require.NoError(t, pending.SetParent(root))
		value(t, 1)(pending.Switch(1))
		require.ErrorIs(t, pending.SetParent(started), greenlet.ErrThreadExited)
	})
}

// offMainThread runs f on a goroutine that is locked to a thread and ends locked,
// so that the thread ends. The process's first thread does not end, so it is
// kept out of the way.
func offMainThread(f func()) {
	main := make(chan struct{})
	done := make(chan struct{})
	go func() {
		runtime.LockOSThread()
		if !onMainThread() {
			defer close(done)
			f()
			return
		}
		// Held here, so that the next goroutine is on another one.
		go func() {
			defer close(done)
			runtime.LockOSThread()
			f()
		}()
		<-main
		runtime.UnlockOSThread()
	}()
	<-done
	close(main)
}

func TestAnImplicitRootIsReleased(t *testing.T) {
	isRoot := func() bool { // without becoming one
		err := greenlet.Run(func(*greenlet.Greenlet) error { return nil })
		return err != nil
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range 3 {
			// By a result, an error, a panic, a kill, a refused start, a death in pending.
			value(t, 1)(greenlet.New(returns(1, nil)).Switch(nil))
			assert.False(t, isRoot())
			fails(t, errSome)(greenlet.New(returns(nil, errSome)).Switch(nil))
			assert.False(t, isRoot())
			assert.Panics(t, func() { _, _ = greenlet.New(func(any) (any, error) { panic(1) }).Switch(nil) })
			assert.False(t, isRoot())
			// One that is suspended without having asked for its parent: in a Switch
			// to another one, which then ended.
			h := greenlet.New(returns(1, nil))
			g := greenlet.New(func(any) (any, error) { return h.Switch(nil) })
			value(t, 1)(g.Switch(1))
			assert.True(t, isRoot())
			require.NoError(t, g.Kill())
			assert.False(t, isRoot())
			fails(t, greenlet.ErrNoRun)(greenlet.New(nil).Switch(1))
			assert.False(t, isRoot())
			fails(t, errSome)(greenlet.New(echo).Throw(errSome))
			assert.False(t, isRoot())
			// What is dead then still passes on what it gets.
			value(t, 5)(g.Switch(5))
			assert.False(t, isRoot())
		}
		g := greenlet.New(echo)
		value(t, 1)(g.Switch(1))
		greenlet.Current() // asked for: it lasts
		require.NoError(t, g.Kill())
		assert.True(t, isRoot())
	}()
	<-done
}

func TestNewAloneMakesNoRoot(t *testing.T) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		g := greenlet.New(echo)
		assert.Nil(t, g.Parent())
		assert.NoError(t, greenlet.Run(func(*greenlet.Greenlet) error { return nil }))
	}()
	<-done
}

// Whichever goroutine uses it first gets it; the others are refused, also in the
// instant in which it starts.
func TestAnUnboundGreenletIsStartedOnce(t *testing.T) {
	rounds := 2000
	if raceEnabled || emulator != "" {
		rounds = 200
	}
	start := map[string]func() func() error{
		"Switch": func() func() error {
			g := greenlet.New(func(any) (any, error) { return greenlet.Current().Parent().Switch("started") })
			return func() error { _, err := g.Switch(nil); return err }
		},
		"Kill": func() func() error { // is done by both, or by one
			g := greenlet.New(nil)
			return func() error { return g.Kill() }
		},
		"next": func() func() error {
			next, _ := greenlet.Pull(count(2))
			return func() (err error) {
				defer func() {
					if r := recover(); r != nil {
						err = r.(error)
					}
				}()
				next()
				return nil
			}
		},
	}
	for name, start := range start {
		t.Run(name, func(t *testing.T) {
			for range rounds {
				use := start()
				var ready, started atomic.Int32
				var used, end sync.WaitGroup
				used.Add(2)
				end.Add(1)
				for range 2 {
					go tree(t, func(root *greenlet.Greenlet) {
						value(t, nil)(greenlet.New(returns(nil, nil)).Switch(nil)) // has a worker now
						ready.Add(1)
						for i := 1; ready.Load() < 2; i++ { // both at the same time
							if i%10_000 == 0 {
								runtime.Gosched()
							}
						}
						if err := use(); err == nil {
							started.Add(1)
						} else {
							assert.ErrorIs(t, err, greenlet.ErrWrongThread)
						}
						used.Done()
						end.Wait()
					})
				}
				used.Wait()
				end.Done()
				if name != "Kill" {
					require.EqualValues(t, 1, started.Load())
				}
			}
		})
	}
}

func TestReadingFromAnyGoroutine(t *testing.T) {
	tree(t, func(root *greenlet.Greenlet) {
		g := greenlet.New(echo, greenlet.WithName("watched"))
		stop := make(chan struct{})
		var wg sync.WaitGroup
		for range 3 {
			wg.Add(1)
			go func() {
				defer wg.Done()
				for {
					select {
					case <-stop:
						return
					default:
						for _, g := range []*greenlet.Greenlet{g, root} {
							_, _, _, _, _, _ = g.State(), g.Dead(), g.Active(), g.Parent(), g.Name(), g.String()
							_, _ = g.ID(), g.Context()
						}
					}
				}
			}()
		}
		for i := range 20_000 {
			value(t, i)(g.Switch(i))
		}
		require.NoError(t, g.Kill())
		close(stop)
		wg.Wait()
	})
}

func TestBlockingInAGreenletStopsItsThreadOnly(t *testing.T) {
	needsThreads(t)
	var ticks atomic.Int32
	stop := make(chan struct{})
	go func() {
		for {
			select {
			case <-stop:
				return
			default:
				ticks.Add(1)
				runtime.Gosched()
			}
		}
	}()
	tree(t, func(root *greenlet.Greenlet) {
		g := greenlet.New(func(any) (any, error) {
			for before := ticks.Load(); ticks.Load() == before; { // for ever, if the others stop, too
				time.Sleep(time.Millisecond)
			}
			return 1, nil
		})
		value(t, 1)(g.Switch(nil))

		// Channels, mutexes and system calls work as in any goroutine.
		ch := make(chan int)
		h := greenlet.New(func(any) (any, error) {
			go func() { ch <- 7 }()
			got := <-ch
			_, err := os.ReadFile("go.mod")
			return got, err
		})
		value(t, 7)(h.Switch(nil))
	})
	close(stop)
}

// Threads come and go while others try to use what they leave behind.
func TestSwitchingAmongManyThreads(t *testing.T) {
	rounds := 20
	if testing.Short() {
		rounds = 3
	}
	for range rounds {
		const n = 8
		published := make(chan *greenlet.Greenlet, n)
		stop := make(chan struct{})
		var wg sync.WaitGroup
		for range n {
			wg.Add(1)
			go func() {
				defer wg.Done()
				greenlet.Current() // so the thread ends with the goroutine
				g := greenlet.New(echo)
				value(t, 0)(g.Switch(0))
				published <- g
			}()
		}
		for range n {
			wg.Add(1)
			go func() {
				defer wg.Done()
				g := <-published
				for i := 0; i < 1000 && !g.Dead(); i++ {
					if _, err := g.Switch(1); err == nil {
						assert.True(t, g.Dead()) // by now: it was ended when its goroutine was gone
					}
				}
			}()
		}
		wg.Wait()
		close(stop)
	}
}

// 100 threads that end with idle workers leave no handle behind; with suspended
// greenlets, neither.
func TestAThreadsEndLeavesNoHandles(t *testing.T) {
	before := handle.Live()
	for i := range 100 {
		offMainThread(func() {
			greenlet.Current()
			value(t, 1)(greenlet.New(returns(1, nil)).Switch(nil))
			if i%2 == 0 {
				suspended(t, quietly)
			}
		})
	}
	waitFor(t, func() bool { return handle.Live() <= before })
}

func TestTheProcessExitsWithSuspendedGreenlets(t *testing.T) {
	if os.Getenv("GREENLET_TEST_CHILD") == "exit" {
		for range 3 {
			ready := make(chan struct{})
			var keep []*greenlet.Greenlet
			defer runtime.KeepAlive(&keep)
			go func() {
				greenlet.Current()
				for range 300 {
					keep = append(keep, suspended(t, quietly))
				}
				close(ready)
				select {}
			}()
			<-ready
		}
		os.Exit(0)
	}
	out, err := child(t, "exit", "-test.run=^"+t.Name()+"$").CombinedOutput()
	require.NoError(t, err, "%s", out)
}

// Package initialisation, when a hint says so. The runtime lets no C thread into Go
// before its end, and to the runtime a greenlet is one.
func init() {
	if os.Getenv("GREENLET_TEST_CHILD") != "init" {
		return
	}
	g := greenlet.New(func(v any) (any, error) { return v, nil })
	var deep func(depth int) error
	deep = func(depth int) error {
		if depth > 0 {
			return deep(depth - 1)
		}
		_, err := g.Switch(1)
		return err
	}
	fmt.Println(deep(200), g.State())
	_, err := g.Switch(2)
	fmt.Println(err, g.State())
	_, err = greenlet.New(nil).Switch(3)
	fmt.Println(err)
	started = make(chan error)
	go func() { // may wait for the end of it
		_, err := greenlet.New(func(v any) (any, error) { return v, nil }).Switch(4)
		started <- err
	}()
}

var started chan error

func TestAGreenletDuringInitialisation(t *testing.T) {
	if os.Getenv("GREENLET_TEST_CHILD") == "init" {
		require.NoError(t, <-started)
		value(t, 5)(greenlet.New(func(v any) (any, error) { return v, nil }).Switch(5))
		return
	}
	out, err := child(t, "init", "-test.run=^"+t.Name()+"$").CombinedOutput()
	require.NoError(t, err, "%s", out)
	assert.Equal(t, 2, strings.Count(string(out), "start it from main pending\n"), "%s", out)
	assert.Contains(t, string(out), "has no run function")
}

// Go says that an UnlockOSThread without a LockOSThread does nothing. A root stays on
// its thread all the same, and the thread is nobody else's.
func TestUnlockingTheThreadOnceTooOften(t *testing.T) {
	needsThreads(t)
	const uses = 200
	too := func() {
		for range 3 {
			runtime.UnlockOSThread()
		}
	}
	// Makes the scheduler move whoever can be moved, to and from the thread.
	stir := func() {
		var wg sync.WaitGroup
		for range 8 {
			wg.Add(1)
			go func() {
				defer wg.Done()
				for range 20 {
					time.Sleep(time.Microsecond)
				}
				assert.NoError(t, greenlet.Run(func(*greenlet.Greenlet) error { return nil }))
			}()
		}
		time.Sleep(time.Microsecond)
		wg.Wait()
	}
	body := func(v any) (any, error) {
		for {
			too()
			v, _ = greenlet.Current().Parent().Switch(v)
			if v == nil {
				return nil, nil
			}
		}
	}
	for name, in := range map[string]func(f func()){
		"Run":      func(f func()) { require.NoError(t, greenlet.Run(func(*greenlet.Greenlet) error { f(); return nil })) },
		"implicit": func(f func()) { f() }, // in which one is suspended in C
	} {
		t.Run(name, func(t *testing.T) {
			in(func() {
				if name == "implicit" && oneM() { // else it is locked anyway
					needsC(t)
					next, stop := greenlet.Pull(func(yield func(int) bool) { cgotest.Call(func() { yield(1) }) })
					next()
					defer stop()
				}
				here := threadID()
				g := greenlet.New(body)
				for i := range uses {
					value(t, i)(g.Switch(i))
					too()
					stir()
					require.Equal(t, here, threadID())
				}
				require.NoError(t, g.Kill())
			})
		})
	}

	// What the program has locked itself is what it would be without greenlets.
	runtime.LockOSThread()
	require.NoError(t, greenlet.Run(func(*greenlet.Greenlet) error { return nil }))
	assert.True(t, locked())
	require.NoError(t, greenlet.Run(func(*greenlet.Greenlet) error { too(); return nil }))
	assert.False(t, locked())
}

// locked says whether the calling goroutine is locked to its thread.
func locked() bool {
	header, _, _ := strings.Cut(string(debug.Stack()), "\n")
	return strings.Contains(header, "locked to thread")
}

// Many threads that begin with greenlets at once, and end at once, take their turns: none
// spins until there is an M for it.
func TestManyFirstUsesAtOnce(t *testing.T) {
	if raceEnabled || emulator != "" {
		t.Skip("it compares times")
	}
	all := func(use func()) time.Duration {
		start := time.Now()
		var over sync.WaitGroup
		for range 800 {
			over.Add(1)
			go func() {
				defer over.Done()
				use()
			}()
		}
		over.Wait()
		return time.Since(start)
	}
	var took, control time.Duration
	for range 3 {
		control += all(func() {
			runtime.LockOSThread() // a thread for each, here too
			next, stop := iter.Pull(count(2))
			next()
			stop()
		})
		took += all(func() {
			next, _ := greenlet.Pull(count(2))
			next()
		})
	}
	slack := 2 * time.Second
	if !strings.HasPrefix(greenlet.Runtime(), "one M") {
		slack = 15 * time.Second // each greenlet needs one, too
	}
	assert.Less(t, took, 5*control+slack)
}
