package tasklet_test

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-greenlet/greenlet"
	"github.com/go-greenlet/greenlet/internal/fault"
	"github.com/go-greenlet/greenlet/tasklet"
)

// An ended root is garbage, with what its tasklets have captured.
func TestEndedRootsAreCollected(t *testing.T) {
	const n = 20
	var collected atomic.Int32
	use := func() {
		captured := new([1000]byte)
		runtime.AddCleanup(captured, func(int) { collected.Add(1) }, 0)
		tasklet.Go(func() { captured[0]++ }) // never runs
	}
	inGoroutine := func(f func()) {
		done := make(chan bool)
		go func() {
			defer close(done)
			f()
		}()
		<-done
	}
	for name, end := range map[string]func(){
		"scope":     func() { world(t, use) },
		"goroutine": func() { inGoroutine(use) },
		"replaced context": func() {
			world(t, func() {
				use()
				require.NoError(t, greenlet.Current().SetContext(context.Background()))
				tasklet.Current()
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			collected.Store(0)
			for range n {
				end()
			}
			assert.Eventually(t, func() bool {
				runtime.GC()
				return collected.Load() >= n-1 // the last one may still be on this stack
			}, 10*time.Second, time.Millisecond)
		})
	}
}

// The scheduler stays the same when the root gets another context, which it keeps.
func TestARootWithAnotherContext(t *testing.T) {
	world(t, func() {
		type key struct{}
		ran := false
		tasklet.Go(func() { ran = true })
		tasklet.SwitchTrap(1)
		require.NoError(t, greenlet.Current().SetContext(context.WithValue(context.Background(), key{}, 1)))
		for range 3 {
			runtime.GC()
		}
		assert.Equal(t, 2, tasklet.RunCount())
		assert.Equal(t, 1, tasklet.SwitchTrap(-1))
		require.NoError(t, tasklet.Run())
		assert.True(t, ran)
		assert.Equal(t, 1, greenlet.Current().Context().Value(key{}))
	})
}

// What was posted goes with the root, even if somebody has the channel; and a
// forgotten After does not keep the root until its time has come.
func TestWhatIsLeftAtTheEndOfARoot(t *testing.T) {
	type thing struct{ _ [1000]byte }
	for name, leave := range map[string]func(x *thing) (kept any){
		"post": func(x *thing) any {
			c := tasklet.NewChannel[*thing]()
			require.NoError(t, c.Post(x))
			return c
		},
		"after": func(x *thing) any {
			tasklet.After(time.Hour)
			tasklet.Go(func() { runtime.KeepAlive(x) })
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			collected := make(chan bool)
			var kept any
			world(t, func() {
				x := new(thing)
				runtime.AddCleanup(x, func(int) { close(collected) }, 0)
				kept = leave(x)
			})
			assert.Eventually(t, func() bool {
				runtime.GC()
				select {
				case <-collected:
					return true
				default:
					return false
				}
			}, 10*time.Second, time.Millisecond)
			runtime.KeepAlive(kept)
		})
	}
}

// Nothing is told to a root that has ended.
func TestCloseAfterTheEndOfTheRoot(t *testing.T) {
	var c *tasklet.Channel[int]
	world(t, func() { c = tasklet.NewChannel[int]() })
	assert.ErrorIs(t, c.Post(1), greenlet.ErrThreadExited)
	assert.LessOrEqual(t, testing.AllocsPerRun(1000, c.Close), 1.0)
	assert.ErrorIs(t, c.Post(1), greenlet.ErrThreadExited)
}

// A tasklet ends while the one that goes on is in a greenlet that it has made.
func TestTheEndOfTheMakerOfAGreenlet(t *testing.T) {
	ends := map[string]func(){
		"return": func() {},
		"goexit": runtime.Goexit,
		"panic":  func() { panic("oops") },
	}
	for name, end := range ends {
		t.Run("a tasklet is in it/"+name, func(t *testing.T) {
			done := make(chan bool)
			go world(t, func() {
				defer close(done)
				r := &record{}
				var inner *greenlet.Greenlet
				tasklet.Go(func() {
					inner = greenlet.New(func(to any) (any, error) {
						tasklet.Schedule()
						r.add("inner")
						return to.(*greenlet.Greenlet).Switch("v")
					})
					tasklet.Schedule()
					r.add("a.")
					end()
				})
				tasklet.Go(func() {
					v, err := inner.Switch(greenlet.Current())
					r.add(v)
					r.add(err)
				})
				defer func() { // a Goexit goes on here, too
					assert.NoError(t, tasklet.Run())
					assert.Equal(t, "a. inner v <nil>", r.String())
				}()
				func() {
					defer func() { _ = recover() }()
					_ = tasklet.Run()
				}()
			})
			<-done
		})
	}
	t.Run("main is in it", func(t *testing.T) {
		world(t, func() {
			r := &record{}
			root := greenlet.Current()
			var inner *greenlet.Greenlet
			tasklet.Go(func() {
				inner = greenlet.New(func(any) (any, error) {
					assert.NoError(t, tasklet.Run())
					r.add("inner")
					return root.Switch("v")
				})
				tasklet.Schedule()
				r.add("a.")
			})
			_, err := tasklet.RunSteps(1)
			require.NoError(t, err)
			v, err := inner.Switch(nil)
			require.NoError(t, err)
			r.add(v)
			assert.Equal(t, "a. inner v", r.String())
			assert.NoError(t, inner.Kill())
		})
	})
}

// A tasklet ends while another one is in the body of an iterator or a coroutine that it
// has made, where the parents are in a row but those who wait are not.
func TestTheEndOfTheMakerOfAnIterator(t *testing.T) {
	for name, end := range map[string]func(){"return": func() {}, "goexit": runtime.Goexit, "panic": func() { panic("oops") }} {
		t.Run(name, func(t *testing.T) {
			done := make(chan bool)
			go world(t, func() {
				defer close(done)
				r := &record{}
				var next func() (int, bool)
				c := greenlet.NewCoroutine(func(yield func(int) (int, error), in int) error { return nil })
				tasklet.Go(func() {
					next, _ = greenlet.Pull(func(yield func(int) bool) {
						for i := range 2 {
							tasklet.Schedule()
							yield(i)
						}
					})
					c = greenlet.NewCoroutine(func(yield func(int) (int, error), in int) error {
						for {
							tasklet.Schedule()
							var err error
							if in, err = yield(in); err != nil {
								return err
							}
						}
					})
					tasklet.Schedule()
					r.add("a.")
					end()
				})
				tasklet.Go(func() {
					for v, ok := next(); ok; v, ok = next() {
						r.add(v)
					}
					for i := range 2 {
						out, _, err := c.Resume(i)
						r.add(out)
						assert.NoError(t, err)
					}
					assert.NoError(t, c.Stop())
				})
				defer func() {
					assert.NoError(t, tasklet.Run())
					assert.Equal(t, "a. 0 1 0 1", r.String())
				}()
				func() {
					defer func() { _ = recover() }()
					_ = tasklet.Run()
				}()
			})
			<-done
		})
	}
}

// The first use of the package is in a body whose next waits in a greenlet that the body
// has made: the way to the root goes in circles.
func TestTheFirstUseIsBelowWhoWaits(t *testing.T) {
	require.NoError(t, greenlet.Run(func(root *greenlet.Greenlet) error {
		var first func() (int, bool)
		ran := false
		var inner *greenlet.Greenlet
		first, stop := greenlet.Pull(func(yield func(int) bool) {
			inner = greenlet.New(func(any) (any, error) {
				v, ok := first()
				assert.Equal(t, []any{2, true}, []any{v, ok})
				return nil, nil
			}, greenlet.WithParent(greenlet.Current()))
			yield(1)
			tasklet.Go(func() { ran = true })
			assert.NoError(t, tasklet.Run())
			yield(2)
		})
		first()
		_, err := inner.Switch(nil)
		assert.ErrorContains(t, err, "by its own next") // inner's end, while its parent is in yield
		assert.True(t, ran)
		stop()
		return nil
	}))
}

// A tasklet waits on a channel in a greenlet that it has made, is woken in its own, and
// switches to the other one: what waits there has found no partner.
func TestAnOperationIsLeftForAnotherGreenletOfTheTasklet(t *testing.T) {
	for name, operate := range map[string]func(c *tasklet.Channel[int]) error{
		"Receive": func(c *tasklet.Channel[int]) error { _, err := c.Receive(); return err },
		"Send":    func(c *tasklet.Channel[int]) error { return c.Send(1) },
	} {
		t.Run(name, func(t *testing.T) {
			world(t, func() {
				root := greenlet.Current()
				c := tasklet.NewChannel[int]()
				inner := greenlet.New(func(any) (any, error) { return nil, operate(c) })
				a := tasklet.Go(func() { _, _ = root.Switch("by hand") })
				v, err := inner.Switch(nil)
				require.NoError(t, err)
				assert.Equal(t, "by hand", v)
				assert.Equal(t, 2, tasklet.RunCount())
				assert.Zero(t, c.Balance())
				_, err = inner.Switch(nil)
				assert.ErrorContains(t, err, "past the scheduler")
				require.NoError(t, a.Kill())
			})
		})
	}
}

// Bad input makes no root of a goroutine that is none.
func TestAForeignGoroutineStaysAsItIs(t *testing.T) {
	world(t, func() {
		c := tasklet.NewChannel[int]()
		a := tasklet.Go(func() {})
		for name, do := range map[string]func() error{
			"Send":      func() error { return c.Send(1) },
			"SendError": func() error { return c.SendError(errors.New("oops")) },
			"Receive":   func() error { _, err := c.Receive(); return err },
			"ReceiveContext": func() error {
				_, err := c.ReceiveContext(context.Background())
				return err
			},
			"SendAll": func() error { _, err := c.SendAll(func(func(int) bool) {}); return err },
			"Balance": func() error { return panicOf(func() { c.Balance() }).(error) },
			"Insert":  a.Insert,
			"Kill":    a.Kill,
			"trap":    func() error { return panicOf(func() { a.SetBlockTrap(true) }).(error) },
			"post":    func() error { return errors.Join(c.Post(1), tasklet.ErrWrongThread) },
			"close":   func() error { c.Close(); return tasklet.ErrWrongThread },
		} {
			wrong := make(chan error)
			go func() {
				err := do()
				if greenlet.New(nil).Parent() != nil {
					err = errors.New("it has become a root")
				}
				wrong <- err
			}()
			assert.ErrorIs(t, <-wrong, tasklet.ErrWrongThread, name)
		}
	})
}

// What a root's end kills runs its deferred calls to the end: what would switch
// there does not.
func TestDeferredCallsAtTheEndOfARoot(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	panics := func(f func()) func(*tasklet.Channel[int], *tasklet.Tasklet) error {
		return func(*tasklet.Channel[int], *tasklet.Tasklet) (err error) {
			defer func() { err, _ = recover().(error) }()
			f()
			return nil
		}
	}
	type operation = func(*tasklet.Channel[int], *tasklet.Tasklet) error
	for name, do := range map[string]operation{
		"Schedule":       panics(tasklet.Schedule),
		"ScheduleRemove": panics(tasklet.ScheduleRemove),
		"Send":           func(c *tasklet.Channel[int], _ *tasklet.Tasklet) error { return c.Send(1) },
		"blocking Send": func(*tasklet.Channel[int], *tasklet.Tasklet) error {
			return tasklet.NewChannel[int]().Send(1)
		},
		"blocking Receive": func(*tasklet.Channel[int], *tasklet.Tasklet) error {
			_, err := tasklet.NewChannel[int]().Receive()
			return err
		},
		"Sleep": func(*tasklet.Channel[int], *tasklet.Tasklet) error { return tasklet.SleepContext(ctx, 1) },
		"Await": func(*tasklet.Channel[int], *tasklet.Tasklet) error {
			_, err := tasklet.Await(func() (int, error) { t.Error("called"); return 0, nil })
			return err
		},
		"Run":          func(*tasklet.Channel[int], *tasklet.Tasklet) error { return tasklet.Run() },
		"Tasklet.Run":  func(_ *tasklet.Channel[int], other *tasklet.Tasklet) error { return other.Run() },
		"Tasklet.Kill": func(_ *tasklet.Channel[int], other *tasklet.Tasklet) error { return other.Kill() },
	} {
		t.Run(name, func(t *testing.T) {
			var got error
			cleaned, received := false, false
			var pending, blocked *tasklet.Tasklet
			world(t, func() {
				c := tasklet.NewChannel[int]()
				tasklet.Go(func() {
					_, err := c.Receive()
					received = err == nil
				})
				blocked = tasklet.Go(func() {
					defer func() { cleaned = true }()
					other := tasklet.New(func() {})
					defer func() { got = do(c, other) }()
					_, _ = tasklet.NewChannel[int]().Receive()
				})
				require.NoError(t, tasklet.Run())
				assert.True(t, blocked.Blocked())
				pending = tasklet.Go(func() { t.Error("ran") })
			})
			assert.ErrorIs(t, got, tasklet.ErrExit)
			assert.True(t, cleaned)
			assert.False(t, received)
			for _, x := range []*tasklet.Tasklet{pending, blocked} {
				assert.False(t, x.Alive() || x.Scheduled() || x.Blocked() || x.Paused())
				assert.ErrorIs(t, x.Run(), tasklet.ErrDead)
			}
		})
	}
}

// Killed past the scheduler, it ends, and its killer goes on.
func TestKillPastTheScheduler(t *testing.T) {
	world(t, func() {
		var r record
		var g *greenlet.Greenlet
		c := tasklet.NewChannel[int]()
		var killer *tasklet.Tasklet
		a := tasklet.Go(func() {
			g = greenlet.Current()
			defer func() {
				r.add("deferred")
				assert.NoError(t, killer.Remove()) // and yet it goes on after that
			}()
			_, err := c.Receive()
			r.add(errors.Is(err, tasklet.ErrExit))
			r.add(errors.Is(c.Send(1), tasklet.ErrExit))
		})
		tasklet.Schedule()
		killer = tasklet.Go(func() {
			assert.NoError(t, g.Kill())
			assert.Same(t, killer, tasklet.Current())
			assert.True(t, killer.Scheduled())
			r.add(a.Alive())
			tasklet.Schedule()
			r.add("killer")
		})
		tasklet.Go(r.does("other"))
		r.run()
		assert.Equal(t, "true true deferred false other killer", r.String())
		assert.False(t, killer.Alive())
		assert.Zero(t, c.Balance())
		assert.Equal(t, 1, tasklet.RunCount())
	})
}

// An error that comes from elsewhere is returned, and all is as before after that.
func TestAnErrorFromPastTheScheduler(t *testing.T) {
	world(t, func() {
		var r record
		var g *greenlet.Greenlet
		oops := errors.New("oops")
		c := tasklet.NewChannel[int]()
		a := tasklet.Go(func() {
			g = greenlet.Current()
			_, err := c.Receive()
			assert.Equal(t, oops, err)
			v, err := c.Receive()
			assert.NoError(t, err)
			r.add(v)
			panic("an ordinary end")
		})
		tasklet.Schedule()
		tasklet.Go(func() {
			_, err := g.Throw(oops)
			assert.NoError(t, err)
			r.add("thrower")
		})
		require.NoError(t, tasklet.Run())
		assert.True(t, a.Blocked())
		tasklet.Go(func() {
			tasklet.Go(func() { assert.NoError(t, c.Send(7)) })
			p := func() (p any) {
				defer func() { p = recover() }()
				return tasklet.Run()
			}()
			assert.IsType(t, &greenlet.PanicError{}, p)
			r.add("inner")
		})
		require.NoError(t, tasklet.Run())
		assert.Equal(t, "thrower 7 inner", r.String())

		// A switch that nobody has asked for is an error, too.
		tasklet.Go(func() {
			g = greenlet.Current()
			_, err := c.Receive()
			assert.ErrorContains(t, err, "past the scheduler")
		})
		tasklet.Schedule()
		tasklet.Go(func() { _, _ = g.Switch(nil) })
		require.NoError(t, tasklet.Run())
		assert.Zero(t, c.Balance())
	})
}

// A panic that comes past the scheduler finds the tasklet current, and waiting for nothing.
func TestAPanicFromPastTheScheduler(t *testing.T) {
	require.NoError(t, greenlet.Run(func(root *greenlet.Greenlet) error {
		c := tasklet.NewChannel[int]()
		went := false
		tasklet.Go(func() {
			_, err := greenlet.New(func(any) (any, error) { panic("by hand") }, greenlet.WithParent(root)).Switch(nil)
			went = assert.NoError(t, err)
		})
		assert.NotNil(t, panicOf(func() { _, _ = c.Receive() }))
		assert.Same(t, tasklet.Main(), tasklet.Current())
		assert.Zero(t, c.Balance())
		assert.Equal(t, 2, tasklet.RunCount())
		require.NoError(t, tasklet.Run())
		assert.True(t, went)
		return nil
	}))
}

// A tasklet for whose stack there is no memory has failed, and nobody else.
func TestNoMemoryForAStack(t *testing.T) {
	if !strings.HasPrefix(greenlet.Runtime(), "portable") {
		t.Skip("a tasklet needs no C stack to start")
	}
	for name, leave := range map[string]func(c *tasklet.Channel[int]) error{
		"blocks":    func(c *tasklet.Channel[int]) error { _, err := c.Receive(); return err },
		"schedules": func(*tasklet.Channel[int]) error { tasklet.Schedule(); return nil },
	} {
		t.Run("whoever was before it "+name, func(t *testing.T) {
			_ = greenlet.Run(func(*greenlet.Greenlet) error {
				c := tasklet.NewChannel[int]()
				for range 100 { // so that no stack is idle
					tasklet.Go(tasklet.ScheduleRemove)
				}
				require.NoError(t, tasklet.Run())
				var r record
				var reset func()
				leaver := tasklet.Go(func() {
					reset = fault.Set(fault.Malloc, 1, 1000)
					assert.NoError(t, leave(c))
					r.add("leaver")
				})
				poor := tasklet.Go(r.does("poor"))
				err := tasklet.Run()
				reset()
				require.ErrorContains(t, err, "memory")
				assert.False(t, poor.Alive())
				assert.Equal(t, name == "blocks", leaver.Blocked())
				if name == "blocks" {
					require.NoError(t, c.Send(1))
				}
				require.NoError(t, tasklet.Run())
				assert.Equal(t, "leaver", r.String())

				// Without a Run it is main's to know, where it waits.
				tasklet.Go(func() {
					reset = fault.Set(fault.Malloc, 1, 1000)
					_, _ = c.Receive()
				})
				tasklet.Go(r.does("poor"))
				_, err = tasklet.NewChannel[int]().Receive()
				reset()
				require.ErrorContains(t, err, "memory")
				assert.Equal(t, -1, c.Balance())
				return nil
			})
		})
	}
}

// A greenlet that a tasklet makes speaks for whoever runs it, be its context another's.
func TestAGreenletSpeaksForWhoeverRunsIt(t *testing.T) {
	world(t, func() {
		c := tasklet.NewChannel[int]()
		var g *greenlet.Greenlet
		var in *tasklet.Tasklet
		a := tasklet.Go(func() {
			g = greenlet.New(func(any) (any, error) {
				in = tasklet.Current()
				v, err := c.Receive()
				return v, err
			}, greenlet.WithContext(greenlet.Current().Context()))
			tasklet.ScheduleRemove()
		})
		tasklet.Schedule()
		b := tasklet.Go(func() {
			assert.NoError(t, g.SetParent(greenlet.Current()))
			v, err := g.Switch(nil)
			assert.NoError(t, err)
			assert.Equal(t, 1, v)
		})
		tasklet.Schedule()
		assert.Same(t, b, in)
		assert.True(t, a.Paused() && b.Blocked())
		require.NoError(t, c.Send(1))
		require.NoError(t, tasklet.Run())
		assert.False(t, b.Alive())
	})
}

// Of a tasklet or channel of another thread nothing is touched.
func TestOtherThreads(t *testing.T) {
	if runtime.GOARCH == "wasm" {
		t.Skip("there are no threads here")
	}
	type things struct {
		a, ends *tasklet.Tasklet
		c       *tasklet.Channel[int]
	}
	given, stop := make(chan things), make(chan bool)
	over := make(chan error)
	go func() {
		over <- greenlet.Run(func(*greenlet.Greenlet) error {
			x := things{tasklet.New(func() {}), tasklet.New(func() {}), tasklet.NewChannel[int](tasklet.WithName("theirs"))}
			tasklet.Go(func() { _, _ = x.c.Receive() })
			tasklet.Schedule()
			given <- x
			for i := 0; ; i++ { // with the race detector: nothing of this is read elsewhere
				_ = x.ends.Run()
				x.a.SetName([]string{"one", "two"}[i%2])
				_ = x.a.Insert()
				_ = x.a.Remove()
				select {
				case <-stop:
					assert.Equal(t, -1, x.c.Balance())
					assert.Equal(t, 1, tasklet.RunCount())
					return nil
				default:
				}
			}
		})
	}()
	x := <-given
	refused := map[string]func() error{
		"of one that ends": x.ends.Run,
		"Insert":           x.a.Insert, "Remove": x.a.Remove, "Run": x.a.Run, "Switch": x.a.Switch, "Kill": x.a.Kill,
		"Send":    func() error { return x.c.Send(1) },
		"Receive": func() error { _, err := x.c.Receive(); return err },
		"ReceiveContext": func() error {
			_, err := x.c.ReceiveContext(context.Background())
			return err
		},
	}
	for name, f := range map[string]func(){
		"Open": x.c.Open, "Balance": func() { x.c.Balance() }, "Closing": func() { x.c.Closing() }, "Closed": func() { x.c.Closed() },
		"SetPreference":  func() { x.c.SetPreference(tasklet.PreferSender) },
		"SetScheduleAll": func() { x.c.SetScheduleAll(true) },
		"SetBlockTrap":   func() { x.a.SetBlockTrap(true) },
	} {
		refused[name] = func() (err error) {
			defer func() { err, _ = recover().(error) }()
			f()
			return nil
		}
	}
	world(t, func() {
		for name, f := range refused {
			err := f()
			assert.ErrorIs(t, err, tasklet.ErrWrongThread, name)
			assert.NotEmpty(t, err.Error())
		}
	})
	close(stop)
	require.NoError(t, <-over)
	assert.ErrorIs(t, x.a.Run(), tasklet.ErrDead)
	assert.NoError(t, x.a.Kill())
	assert.ErrorIs(t, x.c.Send(1), greenlet.ErrThreadExited)
	assert.ErrorIs(t, x.c.Post(1), greenlet.ErrThreadExited)
}

// A greenlet that a tasklet has made, and that is killed, is not the tasklet.
func TestKillOfAGreenletOfATasklet(t *testing.T) {
	world(t, func() {
		c := tasklet.NewChannel[int]()
		var g *greenlet.Greenlet
		turns := 0
		a := tasklet.Go(func() {
			g = greenlet.New(func(any) (any, error) { _, err := c.Receive(); return nil, err })
			_, _ = g.Switch(nil)
			for range 3 {
				tasklet.Schedule()
				turns++
			}
		})
		tasklet.Go(func() {
			for range 5 {
				tasklet.Schedule()
			}
		})
		_, err := tasklet.RunSteps(1)
		require.NoError(t, err)
		require.NoError(t, g.Kill())
		_ = tasklet.Run() // main may hear that somebody has switched past it
		require.NoError(t, tasklet.Run())
		assert.Equal(t, 3, turns)
		assert.False(t, a.Alive())
	})
}

// A thread that ends takes its scheduler with it, after all that its goroutine has done.
// The race detector has to know.
func TestAThreadEndsAfterItsTasklets(t *testing.T) {
	for range 20 {
		done := make(chan error)
		go func() {
			tasklet.Go(tasklet.Schedule)
			err := tasklet.Run()
			tasklet.RunCount()
			done <- err // and the goroutine ends, locked to its thread
		}()
		assert.NoError(t, <-done)
	}
}

// What the deferred calls of a forgotten greenlet throw at the caller of Run is the
// caller's, and not the failure of a tasklet that is about to begin.
func TestAForgottenGreenletThrowsAtTheCallerOfRun(t *testing.T) {
	world(t, func() {
		oops := errors.New("oops")
		root := greenlet.Current()
		ended := false
		func() {
			_, err := greenlet.New(func(any) (any, error) {
				defer func() {
					ended = true
					_, _ = root.Throw(oops)
				}()
				_, err := root.Switch(nil)
				return nil, err
			}).Switch(nil)
			require.NoError(t, err)
		}()
		ran := 0
		for range 100 {
			var err error
			tasklet.Go(func() { ran++ })
			for range 2 {
				runtime.GC()
				time.Sleep(time.Millisecond) // it is another goroutine that tells of it
			}
			if err = tasklet.Run(); err == nil {
				continue
			}
			require.True(t, ended)
			assert.Equal(t, oops, err)
			before := ran
			require.NoError(t, tasklet.Run())
			assert.Equal(t, before+1, ran)
			return
		}
		t.Fatal("nobody has ended it")
	})
}

// The tasklets that a goroutine without a Run leaves are ended by another goroutine. They
// stay those of their own scheduler: what would wait in their deferred calls returns
// ErrExit, for each of them, and the channels say that their root has ended.
func TestTheDeferredCallsOfWhatAGoroutineHasLeft(t *testing.T) {
	if !strings.HasPrefix(greenlet.Runtime(), "one M") {
		t.Skip("what is left is lost memory, or stays: " + greenlet.Runtime())
	}
	const n = 4
	var ended atomic.Int32
	var sleeps, sends [n]error
	var c *tasklet.Channel[int]
	done := make(chan struct{})
	go func() {
		defer close(done)
		c = tasklet.NewChannel[int](tasklet.WithPosts())
		for i := range n {
			tasklet.Go(func() {
				defer ended.Add(1)
				defer func() {
					sleeps[i] = tasklet.Sleep(time.Hour)
					sends[i] = c.Send(i)
				}()
				_, err := c.Receive()
				assert.ErrorIs(t, err, tasklet.ErrExit)
			})
		}
		tasklet.Schedule()
	}()
	<-done
	assert.Eventually(t, func() bool { runtime.GC(); return ended.Load() == n }, time.Minute, time.Millisecond)
	for i := range n {
		assert.ErrorIs(t, sleeps[i], tasklet.ErrExit)
		assert.ErrorIs(t, sends[i], greenlet.ErrThreadExited)
	}
	assert.ErrorIs(t, c.Post(1), greenlet.ErrThreadExited)
}
