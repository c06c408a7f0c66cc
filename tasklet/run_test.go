package tasklet_test

import (
	"bytes"
	"errors"
	"fmt"
	"runtime"
	"runtime/pprof"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-greenlet/greenlet"
	"github.com/go-greenlet/greenlet/tasklet"
)

// panicOf calls f and returns what it panics with.
func panicOf(f func()) (p any) {
	defer func() { p = recover() }()
	f()
	return nil
}

// RunSteps comes back when its switches are used up, whatever is awaited.
func TestRunStepsDoesNotWait(t *testing.T) {
	world(t, func() {
		a := tasklet.Go(func() { assert.ErrorIs(t, tasklet.Sleep(time.Hour), tasklet.ErrExit) })
		begin := time.Now()
		made, err := tasklet.RunSteps(1)
		require.NoError(t, err)
		assert.Equal(t, 1, made)
		assert.Less(t, time.Since(begin), time.Minute)
		assert.True(t, a.Blocked())
		require.NoError(t, a.Kill())
	})
}

// A tasklet that is alone does not go on for ever.
func TestRunStepsOfALoneTasklet(t *testing.T) {
	world(t, func() {
		turns := 0
		a := tasklet.Go(func() {
			for {
				turns++
				tasklet.Schedule()
			}
		})
		made, err := tasklet.RunSteps(5)
		require.NoError(t, err)
		assert.Equal(t, []int{5, 5}, []int{made, turns})
		made, err = tasklet.RunSteps(1)
		require.NoError(t, err)
		assert.Equal(t, []int{1, 6}, []int{made, turns})
		require.NoError(t, a.Kill())
	})
}

// The switches of a nested Run are not those of the outer one.
func TestRunStepsOfANestedRun(t *testing.T) {
	world(t, func() {
		ran := 0
		tasklet.Go(func() {
			for range 10 {
				tasklet.Go(func() { ran++ })
			}
			assert.NoError(t, tasklet.Run())
		})
		made, err := tasklet.RunSteps(1)
		require.NoError(t, err)
		assert.Equal(t, []int{1, 10}, []int{made, ran})
	})
}

// What only waits for something from outside keeps a Run, and counts for its trap.
func TestRunWaitsForWhatIsAwaited(t *testing.T) {
	world(t, func() {
		assert.Zero(t, tasklet.SwitchTrap(1))
		assert.NoError(t, tasklet.Run(), "there is nothing to run")
		tasklet.SwitchTrap(-1)

		done, outside := false, make(chan struct{})
		tasklet.Go(func() {
			_, _, err := tasklet.Recv(outside)
			assert.NoError(t, err)
			done = true
		})
		tasklet.Schedule()
		require.Equal(t, 1, tasklet.RunCount())
		tasklet.SwitchTrap(1)
		assert.ErrorIs(t, tasklet.Run(), tasklet.ErrSwitchTrap)
		tasklet.SwitchTrap(-1)
		time.AfterFunc(time.Millisecond, func() { close(outside) })
		require.NoError(t, tasklet.Run())
		assert.True(t, done)

		// So it does where main could not wait otherwise.
		c := tasklet.NewChannel[int]()
		tasklet.Go(func() {
			assert.NoError(t, tasklet.Sleep(time.Millisecond))
			assert.NoError(t, c.Send(1))
		})
		tasklet.Schedule()
		v, err := c.Receive()
		require.NoError(t, err)
		assert.Equal(t, 1, v)
		require.NoError(t, tasklet.Run())
	})
}

// Whoever is inside Run can be thrown at: its Run returns the error, the others stay.
func TestThrowAtOneInsideRun(t *testing.T) {
	oops := errors.New("oops")
	for name, throw := range map[string]func(*tasklet.Tasklet) error{
		"Throw":      func(a *tasklet.Tasklet) error { return a.Throw(oops) },
		"ThrowLater": func(a *tasklet.Tasklet) error { return a.ThrowLater(oops) },
	} {
		t.Run(name, func(t *testing.T) {
			world(t, func() {
				var r record
				outer := tasklet.Go(func() {
					tasklet.Go(func() {
						self := tasklet.Current()
						tasklet.Go(func() {
							r.add("innermost")
							assert.True(t, self.Alive() && self.Blocked())
							assert.False(t, self.Scheduled() || self.Paused())
							for _, f := range []func() error{self.Insert, self.Remove, self.Run, self.Switch} {
								assert.ErrorIs(t, f(), tasklet.ErrBlocked)
							}
							assert.NoError(t, throw(self))
							r.add("thrower")
						})
						r.add(tasklet.Run())
					})
					r.add(tasklet.Run())
					r.add("outer")
				})
				r.run()
				r.add("main")
				assert.False(t, outer.Alive())
				want := map[string]string{
					"Throw":      "innermost oops thrower <nil> outer main",
					"ThrowLater": "innermost thrower oops <nil> outer main",
				}
				assert.Equal(t, want[name], r.String())
			})
		})
	}
}

// When an outer Run is left by what is thrown at its caller, those of the inner ones go
// to the end of the ring, as in Stackless, and their Run returns.
func TestThrowAtTheCallerOfAnOuterRun(t *testing.T) {
	oops := errors.New("oops")
	for name, throw := range map[string]func(*tasklet.Tasklet) error{
		"Throw":      func(a *tasklet.Tasklet) error { return a.Throw(oops) },
		"ThrowLater": func(a *tasklet.Tasklet) error { return a.ThrowLater(oops) },
	} {
		t.Run(name, func(t *testing.T) {
			world(t, func() {
				var r record
				var inner *tasklet.Tasklet
				inner = tasklet.Go(func() {
					tasklet.Go(func() {
						tasklet.Go(func() {
							r.add("thrower")
							assert.NoError(t, throw(tasklet.Main()))
							assert.Equal(t, name == "ThrowLater", inner.Blocked(), "until main goes on")
							r.add("thrown")
						})
						r.add(fmt.Sprint("innermost ", tasklet.Run()))
					})
					r.add(fmt.Sprint("inner ", tasklet.Run()))
				})
				r.add(fmt.Sprint("main ", tasklet.Run()))
				assert.True(t, inner.Scheduled() && !inner.Blocked())
				assert.NoError(t, tasklet.Run())
				want := map[string]string{
					"Throw":      "thrower main oops thrown innermost <nil> inner <nil>",
					"ThrowLater": "thrower thrown main oops innermost <nil> inner <nil>",
				}
				assert.Equal(t, want[name], r.String())
			})
		})
	}
}

// Scheduled is what it is in Stackless: in the ring, or blocked on a channel. Paused is
// neither, and so is who waits for something else.
func TestScheduled(t *testing.T) {
	world(t, func() {
		c := tasklet.NewChannel[int]()
		receiver := tasklet.Go(func() { _, _ = c.Receive() })
		sleeper := tasklet.Go(func() { _ = tasklet.Sleep(time.Hour) })
		paused := tasklet.Go(tasklet.ScheduleRemove)
		assert.True(t, receiver.Scheduled() && !receiver.Blocked())
		tasklet.Schedule()
		assert.True(t, receiver.Scheduled() && receiver.Blocked() && !receiver.Paused())
		assert.False(t, sleeper.Scheduled())
		assert.False(t, paused.Scheduled())
		for _, x := range []*tasklet.Tasklet{receiver, sleeper, paused} {
			require.NoError(t, x.Kill())
			assert.False(t, x.Scheduled())
		}
	})
}

// What a tasklet ends with says whose it is, in words and as fields.
func TestAnEndSaysWhose(t *testing.T) {
	oops := errors.New("oops")
	world(t, func() {
		_, _, line, _ := runtime.Caller(0)
		a := tasklet.Go(func() {
			if tasklet.Current().Alive() {
				panic("boom")
			}
		}).SetName("cook")
		p, _ := panicOf(func() { _ = tasklet.Run() }).(*greenlet.PanicError)
		require.NotNil(t, p)
		assert.Equal(t, a.String(), fmt.Sprintf("%s/%d (dead)", p.Name, p.ID))
		assert.Equal(t, "cook", p.Name)
		assert.Contains(t, p.Body, fmt.Sprintf("run_test.go:%d", line+1))
		assert.Contains(t, p.Error(), fmt.Sprintf("%s/%d", p.Name, p.ID))
		assert.Contains(t, p.Error(), p.Body)

		a = tasklet.Go(tasklet.Schedule).SetName("waiter")
		tasklet.Schedule()
		require.NoError(t, a.ThrowLater(oops))
		err := tasklet.Run()
		var e *tasklet.Error
		require.ErrorAs(t, err, &e)
		require.ErrorIs(t, err, oops)
		assert.Equal(t, a.String(), fmt.Sprintf("%s/%d (dead)", e.Name, e.ID))
		assert.Contains(t, e.Body, "tasklet.Schedule at ")
		assert.ErrorContains(t, err, fmt.Sprintf("%s/%d (%s)", e.Name, e.ID, e.Body))

		// The one who has thrown it knows.
		a = tasklet.Go(tasklet.Schedule)
		tasklet.Schedule()
		assert.Equal(t, oops, a.Throw(oops))

		// A panic of what it waits for.
		a = tasklet.Go(func() {
			_, _ = tasklet.Await(func() (int, error) { panic("boom") })
		}).SetName("waits")
		p, _ = panicOf(func() { _ = tasklet.Run() }).(*greenlet.PanicError)
		require.NotNil(t, p)
		assert.Equal(t, a.String(), fmt.Sprintf("%s/%d (dead)", p.Name, p.ID))
	})
}

func goroutines(t *testing.T) string {
	var b bytes.Buffer
	require.NoError(t, pprof.Lookup("goroutine").WriteTo(&b, 1))
	return b.String()
}

// A tasklet's name is its greenlet's, and goes when it ends.
func TestNamesInProfiles(t *testing.T) {
	world(t, func() {
		c := tasklet.NewChannel[int]()
		a := tasklet.Go(func() { _, _ = c.Receive() }).SetName("named before it began")
		tasklet.Schedule()
		assert.Contains(t, goroutines(t), `"greenlet":"named before it began"`)
		a.SetName("named while it waits")
		assert.Contains(t, goroutines(t), `"greenlet":"named while it waits"`)
		assert.NotContains(t, goroutines(t), "named before it began")
		require.NoError(t, a.Kill())
		assert.NotContains(t, goroutines(t), "named")
		tasklet.Main().SetName("main")
		tasklet.New(nil).SetName("nothing")
	})
}

// An error that unwinds a tasklet is what it ends with.
func TestMustSwitchInATasklet(t *testing.T) {
	oops := errors.New("oops")
	world(t, func() {
		deferred := false
		tasklet.Go(func() {
			defer func() { deferred = true }()
			greenlet.New(func(any) (any, error) { return nil, oops }).MustSwitch(nil)
			assert.Fail(t, "must not go on")
		})
		assert.ErrorIs(t, tasklet.Run(), oops)
		assert.True(t, deferred)
	})
}

func TestGoOfNil(t *testing.T) {
	world(t, func() {
		_, _, line, _ := runtime.Caller(0)
		a := tasklet.Go(nil)
		assert.True(t, a.Alive())
		err := tasklet.Run()
		assert.ErrorContains(t, err, "the function is nil")
		assert.ErrorContains(t, err, fmt.Sprintf("run_test.go:%d", line+1))
		assert.False(t, a.Alive())
		assert.NoError(t, tasklet.Run())
	})
}

// What wraps ErrExit is an end that goes nowhere, too.
func TestAnExitThatIsWrapped(t *testing.T) {
	world(t, func() {
		a := tasklet.Go(tasklet.Schedule)
		b := tasklet.New(func() {})
		tasklet.Schedule()
		for _, x := range []*tasklet.Tasklet{a, b} {
			require.NoError(t, x.Throw(fmt.Errorf("bye: %w", tasklet.ErrExit)))
			assert.False(t, x.Alive())
		}
	})
}

// What is joined with an end is a failure, however it came to that.
func TestAnErrorJoinedWithAnExitIsNotLost(t *testing.T) {
	oops := errors.New("oops")
	joined := errors.Join(tasklet.ErrExit, oops)
	world(t, func() {
		a := tasklet.Go(tasklet.Schedule)
		tasklet.Schedule()
		require.NoError(t, a.ThrowLater(joined))
		assert.ErrorIs(t, tasklet.Run(), oops, "thrown")

		a = tasklet.Go(func() {
			tasklet.Schedule()
			assert.Fail(t, "must not go on")
		})
		tasklet.Schedule()
		require.NoError(t, a.KillLater())
		require.NoError(t, a.ThrowLater(joined))
		assert.ErrorIs(t, tasklet.Run(), oops, "not delivered")
		assert.ErrorIs(t, a.Throw(joined), tasklet.ErrDead)

		// An error on its way to a tasklet that is killed at that moment.
		c := tasklet.NewChannel[int]()
		c.SetPreference(tasklet.PreferNeither)
		a = tasklet.Go(func() {
			for range c.All() {
			}
		})
		tasklet.Schedule()
		require.NoError(t, c.SendError(oops))
		require.NoError(t, a.KillLater())
		assert.ErrorIs(t, tasklet.Run(), oops, "on its way")

		// The end of a sequence, with an error besides.
		for _, end := range []error{tasklet.ErrStop, tasklet.ErrClosed} {
			tasklet.Go(func() {
				for range c.All() {
				}
			})
			tasklet.Schedule()
			require.NoError(t, c.SendError(errors.Join(end, oops)))
			assert.ErrorIs(t, tasklet.Run(), oops)
		}
	})
}

func TestKillMainInsideRun(t *testing.T) {
	world(t, func() {
		tasklet.Go(func() { assert.NoError(t, tasklet.Main().Kill()) })
		assert.ErrorIs(t, tasklet.Run(), tasklet.ErrExit)
		require.NoError(t, tasklet.Run())
		assert.Equal(t, 1, tasklet.RunCount())
	})
}

// Several errors arrive one after the other, and the tasklet does not wait meanwhile.
func TestWhatIsThrownLaterArrivesInOrder(t *testing.T) {
	world(t, func() {
		one, two, three := errors.New("one"), errors.New("two"), errors.New("three")
		c := tasklet.NewChannel[int]()
		var r record
		a := tasklet.Go(func() {
			for range 3 {
				_, err := c.Receive()
				r.add(err)
			}
			_, err := c.Receive()
			r.add(errors.Is(err, tasklet.ErrExit))
		})
		tasklet.Go(r.turns("x", 2)) // its turns are between
		tasklet.Schedule()
		for _, err := range []error{one, two, three, fmt.Errorf("bye: %w", tasklet.ErrExit)} {
			require.NoError(t, a.ThrowLater(err))
		}
		require.NoError(t, tasklet.Run())
		assert.Equal(t, "x0 x1 one x. two three true", r.String())
		assert.Zero(t, c.Balance())

		// What makes it go on at once comes first.
		r = nil
		a = tasklet.Go(func() {
			for range 2 {
				_, err := c.Receive()
				r.add(err)
			}
		})
		tasklet.Schedule()
		require.NoError(t, a.ThrowLater(one))
		require.NoError(t, a.Throw(two))
		require.NoError(t, tasklet.Run())
		assert.Equal(t, "two one", r.String())
	})
}

// What does not arrive comes out where the tasklet's end does.
func TestWhatIsUndeliveredAtTheEnd(t *testing.T) {
	one, two := errors.New("one"), errors.New("two")
	for _, c := range []struct {
		name string
		body func()
		mail []error
		want []error
		same bool
	}{
		{"an end that is quiet", func() {}, []error{tasklet.ErrExit, one}, []error{one}, true},
		{"an end with an error", func() {}, []error{one, tasklet.ErrExit, two}, []error{one, two}, false},
		{"nothing", func() {}, []error{tasklet.ErrExit, fmt.Errorf("bye: %w", tasklet.ErrExit)}, nil, true},
	} {
		world(t, func() {
			a := tasklet.New(c.body)
			for _, err := range c.mail {
				require.NoError(t, a.ThrowLater(err))
			}
			err := tasklet.Run()
			for _, want := range c.want {
				assert.ErrorIs(t, err, want, c.name)
			}
			if c.same && len(c.want) > 0 {
				assert.Equal(t, c.want[0], errors.Unwrap(err), c.name)
			}
			if len(c.want) == 0 {
				assert.NoError(t, err, c.name)
			}
		})
	}
	world(t, func() {
		a := tasklet.Go(func() {
			defer func() { panic(two) }()
			tasklet.Schedule()
		})
		tasklet.Schedule()
		require.NoError(t, a.ThrowLater(tasklet.ErrExit))
		require.NoError(t, a.ThrowLater(one))
		p := panicOf(func() { _ = tasklet.Run() })
		require.IsType(t, &greenlet.PanicError{}, p)
		assert.ErrorIs(t, p.(error), one)
		assert.ErrorIs(t, p.(error), two)
	})
}

// Main gets what was thrown at it and what others have ended with, each.
func TestAFailureAndAnErrorForMain(t *testing.T) {
	world(t, func() {
		one := errors.New("one")
		tasklet.Go(func() {
			assert.NoError(t, tasklet.Main().ThrowLater(one))
			panic("two")
		})
		p := panicOf(tasklet.Schedule)
		require.IsType(t, &greenlet.PanicError{}, p)
		assert.Equal(t, "two", p.(*greenlet.PanicError).Value)
		err, _ := panicOf(tasklet.Schedule).(error) // even alone
		assert.ErrorIs(t, err, one)
		assert.Nil(t, panicOf(tasklet.Schedule))
	})
}

// A failure turns the ring to main, and moves nobody.
func TestAFailureMovesNobody(t *testing.T) {
	world(t, func() {
		var r record
		tasklet.Go(func() {
			tasklet.Go(r.does("after main"))
			panic("a")
		})
		tasklet.Go(r.does("before main"))
		assert.NotNil(t, panicOf(tasklet.Schedule))
		require.NoError(t, tasklet.Run())
		assert.Equal(t, "after main before main", r.String())
	})
}

// A panic goes through nested Runs as a panic, and an error that is one stays an error.
func TestPanicsThroughNestedRuns(t *testing.T) {
	world(t, func() {
		var levels []any
		tasklet.Go(func() {
			tasklet.Go(func() {
				tasklet.Go(func() { panic("deep") })
				p := panicOf(func() { _ = tasklet.Run() })
				levels = append(levels, p)
				panic(p)
			})
			p := panicOf(func() { _ = tasklet.Run() })
			levels = append(levels, p)
			panic(p)
		})
		levels = append(levels, panicOf(func() { _ = tasklet.Run() }))
		require.Len(t, levels, 3)
		for _, p := range levels {
			require.IsType(t, &greenlet.PanicError{}, p)
			assert.Same(t, levels[0], p, "it is not wrapped again")
		}

		thrown := &greenlet.PanicError{Value: "an error only"}
		a := tasklet.Go(tasklet.ScheduleRemove)
		require.NoError(t, tasklet.Run())
		for _, x := range []*tasklet.Tasklet{a, tasklet.New(func() {})} {
			assert.Nil(t, panicOf(func() { assert.Equal(t, error(thrown), x.Throw(thrown)) }))
		}
	})
}

// A tasklet that is thrown at in a greenlet that it has made ends with that error, and
// has not panicked.
func TestThrowThroughAGreenlet(t *testing.T) {
	oops := errors.New("oops")
	for name, inside := range map[string]func(f func(yield func(int) bool)){
		"Pull": func(seq func(func(int) bool)) {
			next, stop := greenlet.Pull(seq)
			defer stop()
			next()
		},
		"New": func(seq func(func(int) bool)) {
			_, _ = greenlet.New(func(any) (any, error) {
				seq(func(int) bool { return true })
				return nil, nil
			}).Switch(nil)
		},
	} {
		for _, err := range []error{tasklet.ErrExit, oops} {
			world(t, func() {
				c := tasklet.NewChannel[int]()
				a := tasklet.Go(func() { inside(c.All()) })
				tasklet.Schedule()
				require.Equal(t, -1, c.Balance())
				assert.Nil(t, panicOf(func() {
					got := a.Throw(err)
					if err == oops {
						assert.Equal(t, oops, got, name)
					} else {
						assert.NoError(t, got, name)
					}
				}))
				assert.False(t, a.Alive())
				assert.Zero(t, c.Balance())
			})
		}
	}
}

// A tasklet may end without having called the package since a greenlet of its own did.
func TestTheEndAfterAGreenlet(t *testing.T) {
	world(t, func() {
		var r record
		c := tasklet.NewChannel[int]()
		var next func() (int, bool)
		tasklet.Go(func() {
			next, _ = greenlet.Pull(c.All())
			tasklet.Go(func() {
				_, err := c.SendAll(func(yield func(int) bool) { _ = yield(1) && yield(2) })
				r.add(err)
			})
			v, _ := next()
			r.add(v)
		})
		r.run()
		tasklet.Go(func() { // another one goes on with it
			v, _ := next()
			r.add(v)
		})
		r.run()
		assert.Equal(t, "1 2 <nil>", r.String())
		assert.Equal(t, 1, tasklet.RunCount())
	})
}

// A refusal says who was refused what, and what there is to be done.
func TestRefusalsNameARemedy(t *testing.T) {
	world(t, func() {
		c := tasklet.NewChannel[int](tasklet.WithName("orders"))
		cook := tasklet.Go(func() { _, _ = c.Receive() }).SetName("cook")
		tasklet.Schedule()
		main := tasklet.Main()
		a, me := label(cook), label(main)
		errs := make(chan error)
		go func() { errs <- c.Send(1) }()
		assert.EqualError(t, <-errs, "tasklet: Send of orders: it belongs to another goroutine; only its own goroutine may use it; from elsewhere there are Post and Close")
		go func() { errs <- cook.Kill() }()
		assert.EqualError(t, <-errs, fmt.Sprintf("tasklet: Kill of %v: it belongs to another goroutine; only its own goroutine may use it; send a tasklet there word with Channel.Post", a))
		assert.EqualError(t, cook.Insert(), fmt.Sprintf("tasklet: Insert of %v from %v: the tasklet is blocked; receives from orders, and Throw would end that", a, me))
		assert.EqualError(t, main.Remove(), fmt.Sprintf("tasklet: Remove of %v: the tasklet is the current one; use ScheduleRemove", me))
		main.SetBlockTrap(true)
		_, err := c.Receive()
		assert.EqualError(t, err, fmt.Sprintf("tasklet: Receive of orders from %v: it would block, and a block trap is set; SetBlockTrap(false) allows it", me))
		main.SetBlockTrap(false)
		tasklet.SwitchTrap(1)
		err = c.Send(1)
		assert.ErrorContains(t, err, "SwitchTrap(-1) takes back one")
		tasklet.SwitchTrap(-1)
		assert.ErrorContains(t, deadlock(t), "make the channel WithPosts")
		require.NoError(t, cook.Kill())
		assert.EqualError(t, cook.Throw(errors.New("oops")), fmt.Sprintf("tasklet: Throw of %v from %v: the tasklet has ended", a, me))
	})
}

// label is what errors call a tasklet.
func label(t *tasklet.Tasklet) string {
	name, _, _ := strings.Cut(t.String(), " (")
	return name
}
