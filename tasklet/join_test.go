package tasklet_test

import (
	"errors"
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-greenlet/greenlet"
	"github.com/go-greenlet/greenlet/tasklet"
)

func TestJoin(t *testing.T) {
	var left *tasklet.Tasklet
	world(t, func() {
		var r record
		a := tasklet.Go(r.turns("a", 2))
		for _, n := range []string{"b", "c"} {
			tasklet.Go(func() {
				assert.NoError(t, a.Join())
				r.add(n)
			})
		}
		require.NoError(t, a.Join())
		r.add("main")
		r.run()
		assert.Equal(t, "a0 a1 a. main b c", r.String())
		require.NoError(t, a.Join(), "it has ended")
		require.NoError(t, tasklet.New(nil).Join())

		main := tasklet.Main()
		assert.EqualError(t, main.Join(), "tasklet: Join of "+label(main)+": the tasklet is the current one; it would wait for itself")
		assert.ErrorIs(t, (*tasklet.Tasklet)(nil).Join(), tasklet.ErrDead)
		assert.ErrorIs(t, new(tasklet.Tasklet).Join(), tasklet.ErrDead)
		left = tasklet.New(func() {}).SetName("left")
		assert.ErrorContains(t, left.Join(), "waits for the end of "+label(left))
		errs := make(chan error)
		go func() { errs <- left.Join() }()
		assert.ErrorIs(t, <-errs, tasklet.ErrWrongThread)
	})
	assert.NoError(t, left.Join(), "its root has ended")
}

// However it ends, those that have joined it go on, and Run gets what it gets without them.
func TestJoinWhatFails(t *testing.T) {
	for name, f := range map[string]func(){
		"panic":  func() { panic("boom") },
		"Goexit": runtime.Goexit,
		"thrown": tasklet.Schedule,
	} {
		t.Run(name, func(t *testing.T) {
			joined := 0
			var failed any
			done := make(chan bool)
			go func() { // which a Goexit ends
				defer close(done)
				_ = greenlet.Run(func(*greenlet.Greenlet) error {
					a := tasklet.Go(f)
					for range 2 {
						tasklet.Go(func() {
							assert.NoError(t, a.Join())
							joined++
						})
					}
					defer func() {
						failed = recover()
						_ = tasklet.Run()
					}()
					if name == "thrown" {
						tasklet.Schedule()
						assert.NoError(t, a.ThrowLater(errors.New("oops")))
					}
					if err := tasklet.Run(); err != nil {
						panic(err)
					}
					assert.Fail(t, "Run has not got it")
					return nil
				})
			}()
			<-done
			assert.Equal(t, 2, joined)
			assert.Equal(t, name == "Goexit", failed == nil)
		})
	}
}

func TestSpawn(t *testing.T) {
	oops := errors.New("oops")
	world(t, func() {
		good := tasklet.Spawn(func() (int, error) { tasklet.Schedule(); return 7, nil })
		bad := tasklet.Spawn(func() (int, error) { return 8, oops })
		wait := tasklet.NewChannel[int]()
		killed := tasklet.Spawn(wait.Receive)
		never := tasklet.Spawn(func() (int, error) { return 9, nil })
		thrown := tasklet.Spawn(func() (int, error) { tasklet.ScheduleRemove(); return 9, nil })
		none := tasklet.Spawn[int](nil)
		require.NoError(t, never.Kill())
		tasklet.Schedule()
		require.NoError(t, killed.Kill())
		require.NoError(t, thrown.ThrowLater(oops))
		require.NoError(t, tasklet.Run(), "errors are results")
		result := func(task *tasklet.Task[int]) any {
			v, err := task.Result()
			if err != nil {
				return err
			}
			return v
		}
		assert.Equal(t, 7, result(good))
		v, err := bad.Result()
		assert.Equal(t, 8, v, "both are results")
		assert.Equal(t, oops, err)
		assert.Equal(t, tasklet.ErrExit, result(killed))
		assert.Equal(t, tasklet.ErrExit, result(never))
		assert.Equal(t, oops, result(thrown))
		assert.ErrorContains(t, result(none).(error), "join_test.go")

		// A panic is a result, and nothing that is lost if nobody asks.
		boom := tasklet.Spawn(func() (int, error) { panic("boom") })
		p, _ := panicOf(func() { _ = tasklet.Run() }).(*greenlet.PanicError)
		require.NotNil(t, p)
		assert.Equal(t, "boom", p.Value)
		assert.Equal(t, p, result(boom))
		assert.Contains(t, p.Body, "TestSpawn")

		waits := tasklet.Spawn(func() (int, error) { return bad.Result() })
		assert.Equal(t, oops, result(waits))
	})
}

func TestGroup(t *testing.T) {
	oops := errors.New("oops")
	world(t, func() {
		var r record
		var g tasklet.Group
		require.NoError(t, g.Wait(), "nobody is in it")
		for i, err := range []error{nil, oops, errors.New("later"), tasklet.ErrExit} {
			g.Go(func() error {
				for range 4 - i {
					tasklet.Schedule()
				}
				r.add(i)
				return err
			})
		}
		assert.EqualError(t, g.Wait(), "later", "the first that happened")
		assert.Equal(t, "3 2 1 0", r.String())

		// The one that waits does not wait for more than the group, nor twice.
		tasklet.Go(r.does("other"))
		assert.EqualError(t, g.Wait(), "later")
		assert.Equal(t, "3 2 1 0", r.String())
		g.Go(func() error { r.add("again"); return nil })
		assert.EqualError(t, g.Wait(), "later")
		assert.Equal(t, "3 2 1 0 other again", r.String())
	})
}

func TestGroupKill(t *testing.T) {
	world(t, func() {
		var r record
		var g tasklet.Group
		c := tasklet.NewChannel[int]()
		for i := range 3 {
			g.Go(func() error {
				_, err := c.Receive()
				r.add(i)
				return err
			})
		}
		g.Go(func() error { r.add("never"); return nil })
		waits := tasklet.Go(func() { assert.NoError(t, g.Wait()) })
		tasklet.Schedule()
		r.add("begun")
		g.Go(func() error { r.add("never"); return nil })
		require.NoError(t, g.Kill())
		assert.Equal(t, "never begun 0 1 2", r.String())
		require.NoError(t, tasklet.Run())
		assert.False(t, waits.Alive())
		assert.NoError(t, g.Go(nil).Join())
		assert.ErrorContains(t, g.Wait(), "the function is nil")

		errs := make(chan error)
		go func() {
			assert.Panics(t, func() { g.Go(nil) })
			errs <- errors.Join(g.Wait(), g.Kill())
		}()
		assert.ErrorIs(t, <-errs, tasklet.ErrWrongThread)
	})
}

// What the deferred calls of those that are killed start is killed, too: no tasklet of the
// group outlives Kill.
func TestGroupKillReachesWhatDeferredCallsStart(t *testing.T) {
	world(t, func() {
		var g tasklet.Group
		g.Go(func() error {
			defer g.Go(func() error {
				t.Error("it has begun after Kill")
				return nil
			})
			tasklet.ScheduleRemove()
			return nil
		})
		tasklet.Schedule()
		require.NoError(t, g.Kill())
		require.NoError(t, tasklet.Run())
		assert.NoError(t, g.Wait())
		assert.Len(t, tasklet.Tasklets(), 1)
	})
}
