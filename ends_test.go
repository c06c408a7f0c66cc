//go:build cgo && linux

package greenlet_test

import (
	"fmt"
	"iter"
	"maps"
	"regexp"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-greenlet/greenlet"
	"github.com/go-greenlet/greenlet/internal/cgotest"
	"github.com/go-greenlet/greenlet/internal/handle"
)

// The ends of greenlets, in large numbers. Whatever way they go, nothing may stay:
// neither a goroutine nor a C stack nor a handle nor memory.

// flat runs f until a run of it leaves nothing behind that the run before has not.
func flat(t *testing.T, f func()) {
	t.Helper()
	type account struct{ goroutines, kib, maps, handles, stacks int }
	now := func() account {
		kib := resident(t)
		return account{runtime.NumGoroutine(), kib, mappings(t), handle.Live(), cgotest.StackUsage().Stacks}
	}
	slack := account{goroutines: 2, kib: 4096, maps: 30, handles: 2, stacks: 8} // others' noise
	if raceEnabled {
		slack.kib = raceHistory
		slack.maps = 300
	}
	if emulator != "" {
		slack.kib = 1 << 30 // the emulator's own memory grows
	}
	f()
	var grown []account
	for range 5 {
		a := now()
		f()
		b := now()
		d := account{b.goroutines - a.goroutines, b.kib - a.kib, b.maps - a.maps, b.handles - a.handles, b.stacks - a.stacks}
		grown = append(grown, d)
		if d.goroutines <= slack.goroutines && d.kib <= slack.kib && d.maps <= slack.maps &&
			d.handles <= slack.handles && d.stacks <= slack.stacks {
			t.Logf("grew by %+v", d)
			return
		}
	}
	t.Errorf("it grew time after time: %+v", grown)
}

func TestEndsLeaveNothing(t *testing.T) {
	noAsan(t, "it keeps freed memory back")
	needsOneM(t, "it counts goroutines, and a thread keeps its idle workers")
	few := func(n int) int { return max(100, lengthy(n)) }

	t.Run("Goexit", func(t *testing.T) {
		// Each of a chain passes the Goexit on to the one before, and the last one to
		// its goroutine. Every fourth goes through C.
		const depth = 500
		n := few(100_000) / depth
		var down func(depth int) greenlet.Func
		down = func(depth int) greenlet.Func {
			return func(any) (any, error) {
				next := func() { _, _ = greenlet.New(down(depth - 1)).Switch(nil) }
				switch {
				case depth == 1:
					runtime.Goexit()
				case depth%4 == 0:
					cgotest.Call(next)
				default:
					next()
				}
				t.Error("it went on after a Goexit")
				return nil, nil
			}
		}
		flat(t, func() {
			for range max(1, n) {
				done := make(chan bool)
				go func() {
					ended := false
					defer func() { done <- ended }()
					_ = greenlet.Run(func(*greenlet.Greenlet) error {
						defer func() { ended = true }()
						_, err := greenlet.New(down(depth)).Switch(nil)
						return err
					})
					ended = false // it must not return
				}()
				require.True(t, <-done)
			}
		})
	})

	t.Run("given up", func(t *testing.T) {
		flat(t, func() {
			deferred := 0
			err := greenlet.Run(func(root *greenlet.Greenlet) error {
				for i := range few(20_000) {
					refuse := func() {
						for {
							_, _ = root.Switch(nil)
						}
					}
					g := greenlet.New(func(any) (any, error) {
						defer func() { deferred++ }()
						if i%4 == 0 {
							cgotest.CallHandle(refusing)
						}
						refuse()
						return nil, nil
					})
					value(t, nil)(g.Switch(nil))
				}
				return nil
			})
			require.Error(t, err)
			require.Zero(t, deferred, "what is deferred does not run")
		})
	})

	t.Run("killed", func(t *testing.T) {
		tree(t, func(*greenlet.Greenlet) {
			flat(t, func() {
				all := make([]*greenlet.Greenlet, few(20_000))
				for i := range all {
					if i%4 == 0 {
						all[i] = suspendedInC(t)
					} else {
						all[i] = suspended(t, quietly)
					}
				}
				for i := range all { // neither in the order in which they began nor in the reverse
					require.NoError(t, all[(i*7919+13)%len(all)].Kill())
				}
				for _, g := range all {
					require.NoError(t, g.Kill())
				}
			})
		})
	})

	t.Run("suspended when Run ends", func(t *testing.T) {
		all := make([]*greenlet.Greenlet, 0, few(100_000))
		flat(t, func() {
			ended := 0
			tree(t, func(root *greenlet.Greenlet) {
				body := func(any) (any, error) {
					_, err := root.Switch(nil)
					ended++
					return nil, err
				}
				inC := func(any) (v any, err error) {
					cgotest.Call(func() { v, err = body(nil) })
					return v, err
				}
				all = all[:0]
				for i := range few(100_000) {
					g := greenlet.New(body)
					if i%16 == 0 {
						g = greenlet.New(inC)
					}
					value(t, nil)(g.Switch(nil))
					all = append(all, g) // or the collector finds them forgotten
				}
				require.Zero(t, ended)
			})
			require.Equal(t, few(100_000), ended)
		})
	})

	// Threads of Go's, and of C's, that end with suspended greenlets. Some are in C, one
	// has a C stack of its own, some have ended, by a Goexit or otherwise.
	leave := func() (deferred *int) {
		deferred = new(int)
		root := greenlet.Current()
		for i := range 8 {
			var opts []greenlet.Option
			if i%4 == 3 {
				opts = append(opts, greenlet.WithStackSize(96<<10))
			}
			g := greenlet.New(func(any) (any, error) {
				defer func() { *deferred++ }()
				if i%2 == 0 {
					cgotest.CallHandle(refusing)
				}
				return root.Switch(nil)
			}, opts...)
			value(t, nil)(g.Switch(nil))
		}
		value(t, 1)(greenlet.New(returns(1, nil)).Switch(nil))
		return deferred
	}
	for kind, onThread := range map[string]func(func()){
		"Go": offMainThread,
		"C":  func(f func()) { require.NoError(t, cgotest.OnThread(f)) },
	} {
		t.Run("threads of "+kind+" that end", func(t *testing.T) {
			handles := handle.Live()
			flat(t, func() {
				for range few(1_000) {
					var deferred *int
					onThread(func() { deferred = leave() })
					require.Zero(t, *deferred, "what is deferred does not run")
				}
				waitFor(t, func() bool { return handle.Live() <= handles+2 })
			})
		})
	}
}

// refusing calls back into Go and suspends the greenlet there for ever. It is made
// once: a greenlet that is given up would lose a handle of its own.
var refusing = handle.New(func() {
	root := greenlet.Current().Parent()
	for {
		_, _ = root.Switch(nil)
	}
})

// refusesInAnIterator is a body that waits in an iter.Pull's, in what call calls, and
// refuses to die there. (Inlined, its functions would have the name of the test.)
//
//go:noinline
func refusesInAnIterator(call func(func())) greenlet.Func {
	return func(any) (any, error) {
		back := greenlet.Current().Parent()
		call(func() {
			next, stop := iter.Pull(func(func(int) bool) {
				for {
					_, _ = back.Switch(nil)
				}
			})
			defer stop()
			next()
		})
		return nil, nil
	}
}

// A Run that has ended, and a Pull, leave no goroutine behind, at once. This is what
// leak detectors (goleak) look for.
func TestNoGoroutineIsLeftBehind(t *testing.T) {
	needsOneM(t, "a thread keeps idle workers, and each has a goroutine")
	for name, f := range map[string]func(){
		"Run": func() {
			tree(t, func(*greenlet.Greenlet) {
				for range 100 {
					suspended(t, quietly)
					suspendedInC(t)
					value(t, 1)(greenlet.New(returns(1, nil)).Switch(nil))
				}
			})
		},
		"Run, Goexit": func() {
			done := make(chan struct{})
			go func() {
				defer close(done)
				_ = greenlet.Run(func(*greenlet.Greenlet) error {
					suspended(t, quietly)
					suspendedInC(t)
					_, err := greenlet.New(func(any) (any, error) { runtime.Goexit(); return nil, nil }).Switch(nil)
					return err
				})
			}()
			<-done
		},
		"Run, panic": func() {
			recovered(func() {
				_ = greenlet.Run(func(*greenlet.Greenlet) error {
					suspendedInC(t)
					_, err := greenlet.New(func(any) (any, error) { panic(1) }).Switch(nil)
					return err
				})
			})
		},
		"Run, given up inside an iter.Pull": func() {
			for _, call := range []func(func()){func(f func()) { f() }, cgotest.Call} {
				assert.ErrorContains(t, greenlet.Run(func(*greenlet.Greenlet) error {
					_, err := greenlet.New(refusesInAnIterator(call)).Switch(nil)
					return err
				}), "lives")
			}
		},
		"an implicit tree": func() {
			value(t, 1)(greenlet.New(returns(1, nil)).Switch(nil))
		},
		"Pull, all of it": func() {
			next, stop := greenlet.Pull(count(3))
			defer stop()
			for _, ok := next(); ok; _, ok = next() {
			}
		},
		"Pull, stopped": func() {
			next, stop := greenlet.Pull(count(3))
			next()
			stop()
		},
		"Coroutine": func() {
			co := greenlet.NewCoroutine(func(yield func(int) (int, error), v int) error {
				for {
					var err error
					if v, err = yield(v); err != nil {
						return err
					}
				}
			})
			_, _, err := co.Resume(1)
			require.NoError(t, err)
			require.NoError(t, co.Stop())
		},
	} {
		t.Run(name, func(t *testing.T) {
			before := goroutines()
			f()
			after := goroutines()
			mayIdle := strings.HasPrefix(name, "Pull") || name == "Coroutine"
			for id, stack := range after {
				if before[id] == "" && strings.Contains(stack, "greenlet") && !strings.Contains(stack, "TestNoGoroutine") {
					// It may end what an earlier test has left, or be kept for the next Pull; then it ends, too.
					if afterACollection.MatchString(stack) || mayIdle && strings.Contains(stack, "greenlet.(*worker).serve") {
						assert.Eventually(t, func() bool { return !strings.Contains(goroutines()[id], "greenlet") }, 10*time.Second, time.Millisecond)
						continue
					}
					t.Errorf("left behind:\n%s", stack)
				}
			}
		})
	}
}

// afterACollection matches the stacks of goroutines that the collector or the library makes, or the
// runtime keeps, for what is done after a collection.
var afterACollection = regexp.MustCompile(`greenlet\.(afterCollection|onUnreachable|endUnreachable|\(\*tree\)\.endIfOrphan)`)

var goroutineHeader = regexp.MustCompile(`^goroutine (\d+) `)

// goroutines returns the stacks of all, by their numbers.
func goroutines() map[string]string {
	buf := make([]byte, 1<<20)
	n := runtime.Stack(buf, true)
	for n == len(buf) {
		buf = make([]byte, 2*len(buf))
		n = runtime.Stack(buf, true)
	}
	all := map[string]string{}
	for _, s := range strings.Split(string(buf[:n]), "\n\n") {
		if m := goroutineHeader.FindStringSubmatch(s); m != nil {
			all[m[1]] = s
		}
	}
	return all
}

// They are counted, too: a suspended greenlet is one goroutine, and a dead one none.
func TestGoroutinesAreCounted(t *testing.T) {
	needsOneM(t, "extra Ms have goroutines of their own")
	tree(t, func(*greenlet.Greenlet) {
		before := goroutines()
		me := goroutineHeader.FindSubmatch(debug.Stack())[1]
		madeHere := fmt.Sprintf(" in goroutine %s\n", me) // not by what ends the greenlets of an earlier test
		var all []*greenlet.Greenlet
		for i := range 100 {
			if i%2 == 0 {
				all = append(all, suspended(t, quietly))
			} else {
				all = append(all, suspendedInC(t))
			}
		}
		count := func() (n int) {
			for id, stack := range goroutines() {
				if before[id] == "" && strings.Contains(stack, madeHere) {
					n++
				}
			}
			return n
		}
		require.Equal(t, 100, count(), "%s", slices.Collect(maps.Values(goroutines())))
		for _, g := range all {
			require.NoError(t, g.Kill())
		}
		assert.LessOrEqual(t, count(), 65, "but for idle ones: %s", fmt.Sprint(count()))
	})
}
