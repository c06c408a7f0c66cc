package tasklet_test

import (
	"errors"
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-greenlet/greenlet"
	"github.com/go-greenlet/greenlet/tasklet"
)

var noon = time.Date(2030, 1, 1, 12, 0, 0, 0, time.UTC)

// virtually runs f with a virtual clock.
func virtually(t *testing.T, f func()) {
	t.Helper()
	require.NoError(t, tasklet.WithClock(noon, func() error { f(); return nil }))
}

// at adds what, and when that was, in seconds since noon.
func (r *record) at(what any) {
	r.add(fmt.Sprint(what, "@", tasklet.Now().Sub(noon).Seconds()))
}

// Time passes when nobody can run, and only as far as somebody waits for.
func TestVirtualTime(t *testing.T) {
	virtually(t, func() {
		var r record
		for i, seconds := range []int{3600, 1, 2, 1, 0, -1} {
			tasklet.Go(func() {
				assert.NoError(t, tasklet.Sleep(time.Duration(seconds)*time.Second))
				r.at(i)
			})
		}
		tasklet.Go(func() {
			for range 3 {
				r.at("turn")
				tasklet.Schedule()
			}
		})
		require.NoError(t, tasklet.Sleep(1500*time.Millisecond))
		r.at("main")
		r.run()
		r.at("main")
		assert.Equal(t, "turn@0 turn@0 turn@0 4@0 5@0 1@1 3@1 main@1.5 2@2 0@3600 main@3600", r.String())

		v, err := tasklet.After(time.Hour).Receive()
		require.NoError(t, err)
		assert.Equal(t, noon.Add(2*time.Hour), v)

		// A sleeper that is killed leaves nothing behind.
		a := tasklet.Go(func() { assert.ErrorIs(t, tasklet.Sleep(time.Hour), tasklet.ErrExit) })
		tasklet.Schedule()
		require.NoError(t, a.Kill())
		r.run()
		assert.Equal(t, noon.Add(2*time.Hour), tasklet.Now())
		assert.Zero(t, tasklet.Timers())

		assert.Error(t, tasklet.WithClock(noon, func() error { return nil }), "inside of another")
	})
	assert.ErrorContains(t, tasklet.WithClock(noon, nil), "the function is nil")
	oops := errors.New("oops")
	assert.ErrorIs(t, tasklet.WithClock(noon, func() error { return oops }), oops)
	world(t, func() { assert.WithinDuration(t, time.Now(), tasklet.Now(), time.Minute, "time is real again") })
}

// The function of an Await takes no time on the clock, whatever else is waited for.
func TestAwaitTakesNoVirtualTime(t *testing.T) {
	virtually(t, func() {
		var r record
		release := make(chan bool)
		tasklet.Go(func() {
			_, err := tasklet.Await(func() (bool, error) { return <-release, nil })
			assert.NoError(t, err)
			r.at("awaited")
			assert.NoError(t, tasklet.Sleep(time.Second))
			r.at("slept")
		})
		tasklet.Go(func() {
			assert.NoError(t, tasklet.Sleep(time.Second))
			r.at("other")
		})
		go func() { release <- true }()
		r.run()
		assert.Equal(t, "awaited@0 other@1 slept@1", r.String())

		// One that is thrown out of it does not stop the clock for ever.
		forever := make(chan bool)
		defer close(forever)
		a := tasklet.Go(func() { _, _ = tasklet.Await(func() (bool, error) { return <-forever, nil }) })
		tasklet.Schedule()
		require.NoError(t, a.Kill())
		require.NoError(t, tasklet.Sleep(time.Second))
	})
}

func TestAdvance(t *testing.T) {
	virtually(t, func() {
		var r record
		for _, seconds := range []int{2, 1, 3} {
			tasklet.Go(func() {
				if tasklet.Sleep(time.Duration(seconds)*time.Second) == nil { // else the root ends
					r.at(seconds)
				}
			})
		}
		tasklet.Schedule()
		require.NoError(t, tasklet.Advance(2500*time.Millisecond))
		r.at("main")
		assert.Equal(t, 3, tasklet.RunCount())
		more, err := tasklet.RunFor(time.Hour)
		require.NoError(t, err)
		assert.False(t, more)
		assert.Equal(t, "main@2.5 1@2.5 2@2.5", r.String())
		assert.ErrorContains(t, tasklet.Advance(-1), "time does not go back (-1ns)")
	})
	world(t, func() { assert.ErrorContains(t, tasklet.Advance(1), "WithClock makes it virtual") })
}

// RunFor stops when the budget is spent, and loses nobody's turn.
func TestRunFor(t *testing.T) {
	world(t, func() {
		counts := make([]int, 3)
		for i := range counts {
			tasklet.Go(func() {
				for {
					counts[i]++
					tasklet.Schedule()
				}
			})
		}
		for range 3 {
			more, err := tasklet.RunFor(time.Millisecond)
			require.NoError(t, err)
			assert.True(t, more)
			assert.GreaterOrEqual(t, counts[0], counts[2])
			assert.LessOrEqual(t, counts[0]-counts[2], 1, "turns go round, from one RunFor to the next")
		}

		// However small the budget is, something happens; and without one nothing does.
		before := counts[0] + counts[1] + counts[2]
		more, err := tasklet.RunFor(1)
		require.NoError(t, err)
		assert.True(t, more)
		after := counts[0] + counts[1] + counts[2]
		assert.Greater(t, after, before)
		for _, budget := range []time.Duration{0, -1} {
			more, err = tasklet.RunFor(budget)
			require.NoError(t, err)
			assert.True(t, more)
		}
		tasklet.SwitchTrap(1)
		more, err = tasklet.RunFor(time.Second)
		assert.ErrorIs(t, err, tasklet.ErrSwitchTrap)
		assert.True(t, more)
		tasklet.SwitchTrap(-1)
		assert.Equal(t, after, counts[0]+counts[1]+counts[2])
	})

	// One that is alone in the ring goes on for no longer either.
	world(t, func() {
		n := 0
		a := tasklet.Go(func() {
			for {
				n++
				tasklet.Schedule()
			}
		})
		more, err := tasklet.RunFor(time.Millisecond)
		require.NoError(t, err)
		assert.True(t, more)
		assert.Greater(t, n, 0)
		require.NoError(t, a.Kill())
		more, err = tasklet.RunFor(time.Millisecond)
		require.NoError(t, err)
		assert.False(t, more)
	})
}

// RunFor does not wait for what is outside, and finds it when it is there.
func TestRunForDoesNotWait(t *testing.T) {
	world(t, func() {
		var r record
		release := make(chan bool)
		tasklet.Go(func() {
			_, err := tasklet.Await(func() (bool, error) { return <-release, nil })
			assert.NoError(t, err)
			r.add("awaited")
		})
		tasklet.Go(func() { panic("boom") })
		assert.NotNil(t, panicOf(func() { _, _ = tasklet.RunFor(time.Hour) }))
		more, err := tasklet.RunFor(time.Hour)
		require.NoError(t, err)
		assert.False(t, more)
		assert.Empty(t, r)
		release <- true
		for len(r) == 0 {
			runtime.Gosched()
			_, err = tasklet.RunFor(time.Hour)
			require.NoError(t, err)
		}
	})
}

func TestTimeout(t *testing.T) {
	oops := errors.New("oops")
	virtually(t, func() {
		var r record
		c := tasklet.NewChannel[int]()
		receive := func() error { _, err := c.Receive(); return err }
		forever := func() error {
			for {
				if err := tasklet.Sleep(time.Second); err != nil {
					return err
				}
			}
		}
		limited := func(seconds int, f func() error) string {
			err := tasklet.Timeout(time.Duration(seconds)*time.Second, f)
			if errors.Is(err, tasklet.ErrTimeout) {
				err = errors.New("over")
			}
			return fmt.Sprint(err, "@", tasklet.Now().Sub(noon).Seconds())
		}
		assert.Equal(t, "over@10", limited(10, receive), "it is no deadlock")
		assert.Equal(t, "over@20", limited(10, func() error { return c.Send(1) }))
		assert.Equal(t, 0, c.Balance())
		assert.Equal(t, "over@30", limited(10, forever))
		assert.Equal(t, "<nil>@31", limited(10, func() error {
			assert.Equal(t, "over@31", limited(1, forever), "the inner one, and only that")
			return nil
		}))
		assert.Equal(t, "<nil>@32", limited(10, func() error { return tasklet.Sleep(time.Second) }))
		assert.Equal(t, "oops@32", limited(10, func() error { return oops }))
		assert.Equal(t, "over@32", limited(0, receive))
		assert.ErrorContains(t, tasklet.Timeout(time.Second, nil), "the function is nil")
		assert.Zero(t, tasklet.Timers(), "what is over is gone")

		// The outer one's time is over first: the inner passes it on, and is over itself.
		assert.Equal(t, "over@33", limited(1, func() error {
			err := tasklet.Timeout(10*time.Second, receive)
			assert.EqualError(t, err, "tasklet: Timeout of 1s: the time is over")
			return err
		}))
		// Nothing of the two is left.
		var d *tasklet.DeadlockError
		require.ErrorAs(t, receive(), &d)
		require.NoError(t, tasklet.Sleep(time.Minute))

		// An operation without an error result, in a tasklet, and one who is paused.
		for n, f := range map[string]func(){"spins": func() {
			for {
				tasklet.Schedule()
			}
		}, "pauses": tasklet.ScheduleRemove} {
			a := tasklet.Go(func() {
				err := tasklet.Timeout(time.Second, func() error { f(); return nil })
				assert.ErrorIs(t, err, tasklet.ErrTimeout)
				r.add(n)
			})
			tasklet.Schedule()
			require.NoError(t, tasklet.Advance(time.Second))
			r.run()
			assert.False(t, a.Alive())
		}
		assert.ElementsMatch(t, []string{"spins", "pauses"}, r)

		// Run ends with the time, and not before those that it runs.
		tasklet.Go(func() { _ = forever() })
		begin := tasklet.Now()
		assert.ErrorIs(t, tasklet.Timeout(10*time.Second, tasklet.Run), tasklet.ErrTimeout)
		assert.Equal(t, 10*time.Second, tasklet.Now().Sub(begin))
	})

	// It does not keep Run from coming back when all have ended.
	virtually(t, func() {
		tasklet.Go(tasklet.Schedule)
		require.NoError(t, tasklet.Timeout(time.Hour, tasklet.Run))
		assert.Equal(t, noon, tasklet.Now())
	})
}

// What comes out of f is not Timeout's business.
func TestTimeoutPassesOn(t *testing.T) {
	oops := errors.New("oops")
	virtually(t, func() {
		assert.Equal(t, "boom", panicOf(func() {
			_ = tasklet.Timeout(time.Second, func() error { panic("boom") })
		}))
		a := tasklet.Go(func() {
			_ = tasklet.Timeout(time.Second, func() error { tasklet.Schedule(); return nil })
			assert.Fail(t, "what is thrown at it is its own")
		})
		tasklet.Schedule()
		assert.Equal(t, oops, a.Throw(oops))

		// Over, and thrown at by another, at once: each comes in its turn.
		c := tasklet.NewChannel[int]()
		a = tasklet.Go(func() {
			err := tasklet.Timeout(time.Second, func() error {
				_, err := c.Receive()
				assert.ErrorIs(t, err, oops)
				_, err = c.Receive()
				return err
			})
			assert.ErrorIs(t, err, tasklet.ErrTimeout)
		})
		tasklet.Schedule()
		require.NoError(t, a.ThrowLater(oops))
		require.NoError(t, tasklet.Advance(time.Second))
		require.NoError(t, tasklet.Run())
		assert.False(t, a.Alive())

		// Over when f has returned, or is about to: it is not found later.
		require.NoError(t, tasklet.Timeout(time.Second, func() error { return tasklet.Advance(time.Second) }))
		require.NoError(t, tasklet.Sleep(time.Hour))
	})
	// In real time.
	world(t, func() {
		c := tasklet.NewChannel[int]()
		assert.ErrorIs(t, tasklet.Timeout(time.Millisecond, func() error { _, err := c.Receive(); return err }), tasklet.ErrTimeout)
		g := greenlet.New(func(any) (any, error) {
			return nil, tasklet.Timeout(time.Millisecond, func() error { _, err := c.Receive(); return err })
		})
		_, err := g.Switch(nil)
		assert.ErrorIs(t, err, tasklet.ErrTimeout)
	})
}
