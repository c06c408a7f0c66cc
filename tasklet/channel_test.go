package tasklet_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-greenlet/greenlet"
	"github.com/go-greenlet/greenlet/tasklet"
)

// What is posted waits in the same queue as what is sent.
func TestPostsAreInTheQueue(t *testing.T) {
	world(t, func() {
		c := tasklet.NewChannel[int]()
		c.SetPreference(tasklet.PreferNeither)
		send := func(v int) {
			tasklet.Go(func() { assert.NoError(t, c.Send(v)) })
			tasklet.Schedule()
		}
		send(1)
		require.NoError(t, c.Post(2))
		require.NoError(t, c.Post(3))
		send(4)
		assert.Equal(t, 2, c.Balance())
		c.Close()
		assert.ErrorIs(t, c.Post(5), tasklet.ErrClosed)
		for want := 1; want <= 4; want++ {
			assert.False(t, c.Closed(), want)
			v, err := c.Receive()
			require.NoError(t, err)
			assert.Equal(t, want, v)
		}
		assert.True(t, c.Closed())
		_, err := c.Receive()
		assert.ErrorIs(t, err, tasklet.ErrClosed)

		c.Open()
		require.NoError(t, c.Post(6))
		c.Close()
		assert.False(t, c.Closed())
		assert.Zero(t, tasklet.SwitchTrap(1)) // nobody is switched to
		v, err := c.Receive()
		tasklet.SwitchTrap(-1)
		require.NoError(t, err)
		assert.Equal(t, 6, v)
		require.NoError(t, tasklet.Run())
	})
}

// Whoever waits gets what was posted before the channel was closed.
func TestPostThenClose(t *testing.T) {
	for name, close := range map[string]func(c *tasklet.Channel[int]){
		"here": (*tasklet.Channel[int]).Close,
		"elsewhere": func(c *tasklet.Channel[int]) {
			done := make(chan bool)
			go func() {
				defer func() { done <- true }()
				c.Close()
				assert.ErrorIs(t, c.Post(9), tasklet.ErrClosed)
			}()
			<-done
		},
	} {
		t.Run(name, func(t *testing.T) {
			world(t, func() {
				c := tasklet.NewChannel[int](tasklet.WithPosts())
				var got []int
				ended := false
				tasklet.Go(func() {
					for v := range c.All() {
						got = append(got, v)
					}
					ended = true
				})
				tasklet.Schedule()
				require.NoError(t, c.Post(1))
				require.NoError(t, c.Post(2))
				close(c)
				require.NoError(t, tasklet.Run())
				assert.Equal(t, []int{1, 2}, got)
				assert.True(t, ended)
				assert.ErrorIs(t, c.Send(1), tasklet.ErrClosed)
			})
		})
	}
}

// Close wakes a Run that sleeps, and makes no root of the goroutine that calls it.
func TestCloseFromElsewhere(t *testing.T) {
	world(t, func() {
		c := tasklet.NewChannel[int](tasklet.WithPosts())
		tasklet.Go(func() {
			_, err := c.Receive()
			assert.ErrorIs(t, err, tasklet.ErrClosed)
		})
		made := make(chan bool)
		go func() {
			time.Sleep(5 * time.Millisecond)
			c.Close()
			made <- greenlet.New(nil).Parent() != nil
		}()
		require.NoError(t, tasklet.Run())
		assert.False(t, <-made)
		assert.True(t, c.Closed())
	})
}

// No post is missed, however close it comes to others.
func TestNoPostIsMissed(t *testing.T) {
	rounds := 50_000
	if testing.Short() || instrumented {
		rounds = 2000
	}
	world(t, func() {
		c := tasklet.NewChannel[int](tasklet.WithPosts())
		begin := []chan bool{make(chan bool), make(chan bool)}
		var posters sync.WaitGroup
		for i := range begin {
			posters.Add(1)
			go func() {
				defer posters.Done()
				for range begin[i] {
					_ = c.Post(i)
				}
			}()
		}
		for range rounds {
			for i := range begin {
				begin[i] <- true
			}
			for range begin {
				_, err := c.Receive()
				require.NoError(t, err)
			}
		}
		for i := range begin {
			close(begin[i])
		}
		posters.Wait()
	})
}

func TestReceiveContext(t *testing.T) {
	enough := errors.New("enough")
	world(t, func() {
		c := tasklet.NewChannel[int]()
		ctx, cancel := context.WithCancelCause(context.Background())
		var r record
		tasklet.Go(func() {
			_, err := c.ReceiveContext(ctx)
			r.add(err)
		})
		tasklet.Go(func() {
			v, err := c.Receive()
			r.add(fmt.Sprint(v, err))
		})
		time.AfterFunc(5*time.Millisecond, func() { cancel(enough) })
		require.NoError(t, tasklet.Run()) // which waits for the context
		assert.Equal(t, "enough", r.String())
		require.NoError(t, c.Send(1)) // nothing was taken
		assert.Equal(t, "enough 1 <nil>", r.String())

		// What has come is not lost when the context is done after that.
		ctx, cancel = context.WithCancelCause(context.Background())
		c.SetPreference(tasklet.PreferNeither)
		tasklet.Go(func() {
			v, err := c.ReceiveContext(ctx)
			assert.NoError(t, err)
			assert.Equal(t, 2, v)
			assert.Zero(t, c.Balance())
			_, err = c.ReceiveContext(ctx)
			assert.Equal(t, enough, err)
		})
		tasklet.Schedule()
		require.NoError(t, c.Send(2))
		cancel(enough)
		require.NoError(t, tasklet.Run())

		var none context.Context
		_, err := c.ReceiveContext(none)
		assert.ErrorContains(t, err, "context")
		_, err = c.ReceiveContext(context.Background())
		var d *tasklet.DeadlockError
		assert.ErrorAs(t, err, &d, "nothing will ever come")
	})
}

// SendAll counts what was received, and not what was not.
func TestSendAllCounts(t *testing.T) {
	world(t, func() {
		c := tasklet.NewChannel[int]()
		values := slices.Values([]int{1, 2, 3})
		var n int
		var err error
		sender := func() { n, err = c.SendAll(values) }

		tasklet.Go(func() { _, _ = c.Receive() })
		tasklet.Schedule()
		s := tasklet.Go(sender)
		_, _ = tasklet.RunSteps(2) // it has been received, but the sender does not know
		require.NoError(t, s.Kill())
		assert.ErrorIs(t, err, tasklet.ErrExit)
		assert.Equal(t, 1, n)

		s = tasklet.Go(sender) // blocked: not received
		tasklet.Schedule()
		require.NoError(t, s.Kill())
		assert.ErrorIs(t, err, tasklet.ErrExit)
		assert.Zero(t, n)

		tasklet.Go(func() {
			_, _ = c.Receive()
			c.Close()
		})
		tasklet.Go(sender)
		require.NoError(t, tasklet.Run())
		assert.ErrorIs(t, err, tasklet.ErrClosed)
		assert.Equal(t, 1, n)
	})
}

// What ends a loop over All quietly comes through the channel. What is thrown at
// the tasklet does not.
func TestHowALoopOverAllEnds(t *testing.T) {
	world(t, func() {
		other := tasklet.NewChannel[int]()
		other.Close()
		closed := other.Send(1)
		require.ErrorIs(t, closed, tasklet.ErrClosed)
		for _, c := range []struct {
			name  string
			end   func(c *tasklet.Channel[int], a *tasklet.Tasklet) error
			quiet bool
			out   error
		}{
			{"closed", func(c *tasklet.Channel[int], _ *tasklet.Tasklet) error { c.Close(); return tasklet.Run() }, true, nil},
			{"ErrStop sent", func(c *tasklet.Channel[int], _ *tasklet.Tasklet) error {
				return errors.Join(c.SendError(fmt.Errorf("no more: %w", tasklet.ErrStop)), tasklet.Run())
			}, true, nil},
			{"ErrClosed thrown", func(_ *tasklet.Channel[int], a *tasklet.Tasklet) error { return a.Throw(closed) }, false, closed},
			{"ErrStop thrown", func(_ *tasklet.Channel[int], a *tasklet.Tasklet) error { return a.Throw(tasklet.ErrStop) }, false, tasklet.ErrStop},
			{"killed", func(_ *tasklet.Channel[int], a *tasklet.Tasklet) error { return a.Kill() }, false, nil},
		} {
			ch := tasklet.NewChannel[int]()
			quiet := false
			a := tasklet.Go(func() {
				for range ch.All() {
				}
				quiet = true
			})
			tasklet.Schedule()
			assert.Equal(t, c.out, c.end(ch, a), c.name)
			assert.Equal(t, c.quiet, quiet, c.name)
			assert.False(t, a.Alive(), c.name)
		}
	})
}

// What one has heard from the channel is not taken for what is thrown at another.
func TestTwoLoopsOverOneChannel(t *testing.T) {
	world(t, func() {
		c := tasklet.NewChannel[int]()
		quiet := 0
		loop := func() {
			for range c.All() {
			}
			quiet++
		}
		tasklet.Go(loop)
		second := tasklet.Go(loop)
		tasklet.Schedule()
		require.NoError(t, c.SendError(tasklet.ErrStop))
		assert.Equal(t, 1, quiet)
		assert.Equal(t, tasklet.ErrStop, second.Throw(tasklet.ErrStop), "at main, which has thrown it")
		assert.Equal(t, 1, quiet)
	})
}

// An error is passed to a receiver that comes later, too.
func TestABlockedSendError(t *testing.T) {
	world(t, func() {
		oops := errors.New("oops")
		c := tasklet.NewChannel[int]()
		tasklet.Go(func() { assert.NoError(t, c.SendError(oops)) })
		tasklet.Schedule()
		_, err := c.Receive()
		assert.Equal(t, oops, err)
		require.NoError(t, tasklet.Run())
	})
}

func TestAZeroChannel(t *testing.T) {
	world(t, func() {
		var c tasklet.Channel[int]
		_, received := c.Receive()
		_, all := c.SendAll(slices.Values([]int{1}))
		for _, err := range []error{c.Send(1), c.SendError(errors.New("x")), received, all, c.Post(1)} {
			assert.ErrorContains(t, err, "NewChannel")
		}
		for _, f := range []func(){c.Close, c.Open, func() { c.Balance() }, func() { c.Closed() }} {
			assert.Panics(t, f)
		}
		assert.NotEmpty(t, c.String())
	})
}

// A trap refuses what would switch, on the side that would, and nothing else.
func TestTrapsAndPartners(t *testing.T) {
	for _, c := range []struct {
		preference            tasklet.Preference
		all, mayRecv, maySend bool
	}{
		{tasklet.PreferReceiver, false, true, false},
		{tasklet.PreferNeither, false, true, true},
		{tasklet.PreferSender, false, false, true},
		{tasklet.PreferNeither, true, false, false},
	} {
		world(t, func() {
			sent, wanted := tasklet.NewChannel[int](), tasklet.NewChannel[int]()
			for _, ch := range []*tasklet.Channel[int]{sent, wanted} {
				ch.SetPreference(c.preference)
				ch.SetScheduleAll(c.all)
			}
			tasklet.Go(func() { _ = sent.Send(1) })
			receiver := tasklet.Go(func() { _, _ = wanted.Receive() })
			require.NoError(t, tasklet.Run())
			tasklet.SwitchTrap(1)
			_, errRecv := sent.Receive()
			errSend := wanted.Send(1)
			laterErr := receiver.KillLater() // which does not switch
			tasklet.SwitchTrap(-1)
			assert.NoError(t, laterErr)
			for _, x := range []struct {
				may bool
				err error
			}{{c.mayRecv, errRecv}, {c.maySend, errSend}} {
				if x.may {
					assert.NoError(t, x.err, c)
				} else {
					assert.ErrorIs(t, x.err, tasklet.ErrSwitchTrap, c)
				}
			}
			left := map[bool]int{true: 0, false: 1}[c.mayRecv]
			assert.Equal(t, left, sent.Balance(), c)
			require.NoError(t, tasklet.Run())
		})
	}
}

// Close from elsewhere beside Open: a channel is open or closed for all, Post included.
func TestCloseBesideOpen(t *testing.T) {
	world(t, func() {
		for i := range 2000 {
			c := tasklet.NewChannel[int]()
			done := make(chan bool)
			go func() { c.Close(); close(done) }()
			for range i % 50 {
				runtime.Gosched()
			}
			c.Open()
			<-done
			if c.Closing() {
				require.ErrorIs(t, c.Post(1), tasklet.ErrClosed)
			} else {
				require.NoError(t, c.Post(1))
			}
		}
	})
}

// A SendAll that is refused takes nothing from its sequence.
func TestARefusedSendAllTakesNothing(t *testing.T) {
	world(t, func() {
		taken := 0
		seq := func(yield func(int) bool) {
			for taken++; yield(taken); taken++ {
			}
		}
		c := tasklet.NewChannel[int]()
		failed := make(chan error)
		go func() { _, err := c.SendAll(seq); failed <- err }()
		assert.ErrorIs(t, <-failed, tasklet.ErrWrongThread)
		c.Close()
		n, err := c.SendAll(seq)
		assert.ErrorIs(t, err, tasklet.ErrClosed)
		assert.Zero(t, n)
		assert.Zero(t, taken)
	})
}

// An error that was sent is not lost when another one is thrown.
func TestASentErrorAndAThrownOne(t *testing.T) {
	world(t, func() {
		sent, thrown := errors.New("sent"), errors.New("thrown")
		for _, p := range []tasklet.Preference{tasklet.PreferNeither, tasklet.PreferSender} {
			c := tasklet.NewChannel[int]()
			c.SetPreference(p)
			var got error
			a := tasklet.Go(func() { _, got = c.Receive() })
			if p == tasklet.PreferSender { // who receives lets the sender go on first
				tasklet.Go(func() {
					assert.NoError(t, c.SendError(sent))
					assert.NoError(t, a.Throw(thrown))
				})
				require.NoError(t, a.Remove())
				require.NoError(t, tasklet.Run())
				require.NoError(t, a.Insert())
			} else {
				require.NoError(t, tasklet.Run())
				require.NoError(t, c.SendError(sent))
				require.NoError(t, a.Throw(thrown))
			}
			require.NoError(t, tasklet.Run())
			assert.ErrorIs(t, got, sent)
			assert.ErrorIs(t, got, thrown)
		}
	})
}

// A switch trap is for switches: where there is nobody to switch to, it has no say.
func TestASwitchTrapAndADeadlock(t *testing.T) {
	world(t, func() {
		var deadlock *tasklet.DeadlockError
		c := tasklet.NewChannel[int]()
		tasklet.SwitchTrap(1)
		assert.ErrorAs(t, c.Send(1), &deadlock)
		_, err := c.Receive()
		assert.ErrorAs(t, err, &deadlock)
		assert.ErrorAs(t, panicOf(tasklet.ScheduleRemove).(error), &deadlock)
		assert.ErrorIs(t, tasklet.Sleep(1), tasklet.ErrSwitchTrap)
		tasklet.SwitchTrap(-1)
	})
}

func TestABlockTrapOfADeadTasklet(t *testing.T) {
	world(t, func() {
		a := tasklet.Go(func() {})
		require.NoError(t, tasklet.Run())
		a.SetBlockTrap(false)
		(*tasklet.Tasklet)(nil).SetBlockTrap(true)
		assert.Nil(t, (*tasklet.Tasklet)(nil).SetName("nobody"))
	})
}
