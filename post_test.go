package greenlet_test

import (
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-greenlet/greenlet"
)

// posted posts f to g from another goroutine, and returns the error when that has been.
func posted(g *greenlet.Greenlet, f func()) error {
	done := make(chan error)
	go func() { done <- g.Post(f) }()
	return <-done
}

func TestAPostIsCalledAtTheNextOperation(t *testing.T) {
	tree(t, func(root *greenlet.Greenlet) {
		g := greenlet.New(echo)
		value(t, 1)(g.Switch(1))
		dead := greenlet.New(returns(nil, nil))
		value(t, nil)(dead.Switch(nil))
		inRun, stopInRun := greenlet.Pull(func(yield func(int) bool) {
			for yield(0) {
			}
		})
		defer stopInRun()
		inRun()
		var living []*greenlet.Greenlet
		for range 6 {
			living = append(living, suspended(t, quietly))
		}
		for name, operation := range map[string]func(){
			"Switch": func() { value(t, 1)(g.Switch(1)) },
			"Throw":  func() { fails(t, errSome)(dead.Throw(errSome)) },
			"Kill":   func() { require.NoError(t, living[0].Kill()); living = living[1:] },
			"next":   func() { inRun() },
		} {
			for _, to := range []*greenlet.Greenlet{root, g, dead} {
				var calls []string
				for i := range 3 {
					require.NoError(t, posted(to, func() {
						calls = append(calls, fmt.Sprint(i, greenlet.Current() == root))
					}))
				}
				assert.Empty(t, calls)
				operation()
				assert.Equal(t, []string{"0 true", "1 true", "2 true"}, calls, name)
				operation()
				assert.Len(t, calls, 3)
			}
		}
	})
	c := greenlet.NewCoroutine(func(yield func(int) (int, error), v int) error {
		for {
			var err error
			if v, err = yield(v); err != nil {
				return err
			}
		}
	})
	next, stop := greenlet.Pull(func(yield func(int) bool) {
		for yield(0) {
		}
	})
	greenlet.Current() // a root, which its goroutine stays
	for range 3 {      // so that all have their fast ways
		next()
		_, _, err := c.Resume(1)
		require.NoError(t, err)
	}
	for name, operation := range map[string]func(){
		"next": func() { next() },
		"Resume": func() {
			_, _, err := c.Resume(1)
			require.NoError(t, err)
		},
	} {
		calls := 0
		require.NoError(t, posted(greenlet.Current(), func() { calls++ }))
		operation()
		assert.Equal(t, 1, calls, name)
	}
	calls := 0
	require.NoError(t, posted(greenlet.Current(), func() { calls++ }))
	stop()
	assert.Equal(t, 1, calls, "stop")
	require.NoError(t, posted(greenlet.Current(), func() { calls++ }))
	require.NoError(t, c.Stop())
	assert.Equal(t, 2, calls, "Stop")
}

// What is posted runs in the greenlet that makes the operation, and may do all that it may.
func TestAPostMayPassControl(t *testing.T) {
	tree(t, func(root *greenlet.Greenlet) {
		var trace []any
		waits := greenlet.New(func(any) (any, error) {
			for {
				v, err := root.Switch(nil)
				if err != nil {
					return nil, err
				}
				trace = append(trace, v)
			}
		})
		value(t, nil)(waits.Switch(nil))
		hub := greenlet.New(func(any) (any, error) {
			require.NoError(t, root.Post(func() {
				trace = append(trace, greenlet.Current().Name())
				value(t, "back")(root.Switch("to the root")) // suspended inside the post
				// Posted meanwhile, and called by the operation of the post.
				require.NoError(t, root.Post(func() { trace = append(trace, "nested") }))
				value(t, "again")(root.Switch("and again"))
			}))
			v, err := root.Switch("of the hub")
			return v, err
		}, greenlet.WithName("hub"))
		value(t, "to the root")(hub.Switch(nil))
		require.NoError(t, root.Post(func() { value(t, nil)(waits.Switch("posted")) }))
		value(t, "and again")(hub.Switch("back"))
		value(t, "of the hub")(hub.Switch("again"))
		value(t, "end")(hub.Switch("end"))
		assert.Equal(t, []any{"hub", "posted", "nested"}, trace)
		require.NoError(t, waits.Kill())
	})
}

func TestAPanicOfAPostComesOutOfTheOperation(t *testing.T) {
	tree(t, func(root *greenlet.Greenlet) {
		g := greenlet.New(returns(1, nil))
		calls := 0
		require.NoError(t, root.Post(func() { panic("posted") }))
		require.NoError(t, root.Post(func() { calls++ }))
		assert.Equal(t, "posted", recovered(func() { _, _ = g.Switch(nil) }))
		assert.Equal(t, greenlet.Pending, g.State(), "the operation has not begun")
		assert.Zero(t, calls)
		value(t, 1)(g.Switch(nil))
		assert.Equal(t, 1, calls)
	})
}

// A greenlet that is suspended inside a posted function is inside an operation of its tree, which
// goes on there. Other than that it could be moved.
func TestAPostKeepsTheGreenletInItsTree(t *testing.T) {
	if !oneM() {
		t.Skip("no greenlet moves to another goroutine on the portable engine")
	}
	greenlet.Current()
	next, stop := greenlet.Pull(func(yield func(int) bool) {
		require.NoError(t, greenlet.Current().Post(func() { yield(1) }))
		value(t, nil)(greenlet.New(returns(nil, nil)).Switch(nil))
		yield(2)
	})
	defer stop()
	pull := func() (v int, refused any) {
		done := make(chan struct{})
		go func() {
			defer close(done)
			refused = recovered(func() { v, _ = next() })
		}()
		<-done
		return v, refused
	}
	v, _ := next()
	assert.Equal(t, 1, v)
	_, refused := pull()
	assert.ErrorIs(t, refused.(error), greenlet.ErrWrongThread)
	v, _ = next()
	assert.Equal(t, 2, v)
	_, refused = pull()
	assert.Nil(t, refused)
}

// An operation inside a posted function does not end the tree of the one that has called that: not
// even if no greenlet lives then, and nobody has a reference to the root.
func TestAnOperationOfAPostDoesNotEndTheTree(t *testing.T) {
	var body *greenlet.Greenlet
	pull := func() (stop func()) {
		next, stop := greenlet.Pull(func(yield func(int) bool) {
			body = greenlet.Current()
			yield(1)
		})
		next()
		return stop
	}
	offMainThread(func() {
		for name, operation := range map[string]func(){
			"Switch": func() {
				g := greenlet.New(func(any) (any, error) {
					me, there := greenlet.LookupCurrent()
					assert.True(t, there)
					assert.Equal(t, greenlet.Running, me.State())
					return 1, nil
				})
				value(t, 1)(g.Switch(nil))
			},
			"next": func() { pull()() },
			"Kill": func() { assert.NoError(t, greenlet.New(returns(nil, nil)).Kill()) },
		} {
			stop := pull()
			require.NoError(t, posted(body, stop))
			operation()
			_, there := greenlet.LookupCurrent()
			assert.False(t, there, "%s has ended the tree in the end", name)
		}
	})
}

// What is posted is called also while the deferred calls of a forgotten greenlet have passed control
// to others, and have not ended.
func TestAPostWhileAForgottenOneEnds(t *testing.T) {
	tree(t, func(root *greenlet.Greenlet) {
		ends := false
		func() {
			forgotten := greenlet.New(func(any) (any, error) {
				_, err := root.Switch(nil)
				ends = true
				value(t, "go on")(root.Switch("closing"))
				return nil, err
			}, greenlet.WithName("forgotten"))
			value(t, nil)(forgotten.Switch(nil))
		}()
		interrupted := greenlet.New(func(any) (any, error) {
			for !ends {
				runtime.GC()
				value(t, nil)(greenlet.Current().Switch(nil))
			}
			return "done", nil
		})
		value(t, "closing")(interrupted.Switch(nil))
		var trace []string
		require.NoError(t, posted(root, func() { trace = append(trace, greenlet.Current().Name()) }))
		value(t, 1)(greenlet.New(returns(1, nil)).Switch(nil))
		assert.Equal(t, []string{"root"}, trace)
		for g := range greenlet.All() {
			if g.Name() == "forgotten" {
				value(t, "done")(g.Switch("go on"))
			}
		}
		assert.True(t, interrupted.Dead())
	})
}

// A goroutine ends while one of its greenlets is suspended in a posted function, and another one is
// left that anybody may go on with: the operation of the first one is not made in its place.
func TestAGoroutineEndsDuringAPost(t *testing.T) {
	if !oneM() {
		t.Skip("on the portable engine nothing goes on when its goroutine has ended")
	}
	var root, pending *greenlet.Greenlet
	var next func() (int, bool)
	var stop func()
	for name, operation := range map[string]func() error{
		"next":              func() (err error) { err, _ = recovered(func() { next() }).(error); return err },
		"stop":              func() (err error) { err, _ = recovered(func() { stop() }).(error); return err },
		"Switch":            func() error { _, err := root.Switch(nil); return err },
		"Switch to a new":   func() error { _, err := pending.Switch(nil); return err },
		"Throw":             func() error { _, err := root.Throw(errSome); return err },
		"Kill of a pending": func() error { return pending.Kill() },
	} {
		t.Run(name, func(t *testing.T) {
			after, ended := make(chan error, 1), make(chan error, 1)
			dropped := func() { t.Error("called, though the goroutine has ended") }
			onGoroutine(func() {
				pending = greenlet.New(returns(nil, nil))
				root = greenlet.Current()
				next, stop = greenlet.Pull(count(3))
				next()
				g := greenlet.New(func(any) (any, error) {
					assert.NoError(t, root.Post(func() {
						_, err := root.Switch("in the post")
						after <- err
					}))
					err := operation()
					ended <- err
					return nil, err
				})
				value(t, "in the post")(g.Switch(nil))
				assert.NoError(t, root.Post(dropped))
			})
			require.Eventually(t, func() bool { runtime.GC(); return len(ended) > 0 }, 20*time.Second, time.Millisecond)
			assert.ErrorIs(t, <-after, greenlet.ErrExit)
			assert.ErrorIs(t, <-ended, greenlet.ErrExit)
			assert.Equal(t, greenlet.Pending, pending.State())
			v, ok := next()
			assert.Equal(t, 1, v)
			assert.True(t, ok)
			stop()
		})
	}
}

func TestWhoCannotBePostedTo(t *testing.T) {
	f := func() { t.Error("called") }
	var ended *greenlet.Greenlet
	tree(t, func(root *greenlet.Greenlet) {
		ended = root
		require.NoError(t, root.Post(f)) // dropped
		assert.ErrorContains(t, root.Post(nil), "the function is nil")
	})
	assert.ErrorIs(t, ended.Post(f), greenlet.ErrThreadExited)
	offMainThread(func() { // in a tree that ends with its last operation
		ended = greenlet.New(returns(1, nil))
		value(t, 1)(ended.Switch(nil))
	})
	assert.ErrorIs(t, ended.Post(f), greenlet.ErrThreadExited)
	assert.ErrorContains(t, greenlet.New(returns(nil, nil)).Post(f), "it is in no tree")
	assert.ErrorContains(t, (*greenlet.Greenlet)(nil).Post(f), "nil")
	offMainThread(func() { ended = greenlet.Current() })
	for ended.Active() {
		runtime.GC()
	}
	assert.ErrorIs(t, ended.Post(f), greenlet.ErrThreadExited)

	// A goroutine without a thread of its own, as soon as it has ended, and not after a collection only.
	// On the portable engine it has one, and on the process's first thread, which Go does not end, the
	// tree would not end either.
	if !oneM() {
		return
	}
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	done := make(chan struct{})
	go func() { defer close(done); ended = greenlet.Current() }()
	<-done
	assert.Eventually(t, func() bool { return errors.Is(ended.Post(func() {}), greenlet.ErrThreadExited) },
		10*time.Second, time.Millisecond)
}

func TestPostsOfManyGoroutines(t *testing.T) {
	tree(t, func(root *greenlet.Greenlet) {
		const goroutines, each = 8, 1000
		last := make([]int, goroutines)
		var senders sync.WaitGroup
		for i := range goroutines {
			senders.Add(1)
			go func() {
				defer senders.Done()
				for n := 1; n <= each; n++ {
					assert.NoError(t, root.Post(func() {
						assert.Equal(t, n-1, last[i], "in order")
						last[i] = n
					}))
				}
			}()
		}
		g := greenlet.New(echo)
		value(t, 1)(g.Switch(1))
		all := func() (n int) {
			for _, l := range last {
				n += l
			}
			return n
		}
		for all() < goroutines*each {
			value(t, 1)(g.Switch(1))
			runtime.Gosched() // on WebAssembly nothing else lets the senders run
		}
		senders.Wait()
	})
}
