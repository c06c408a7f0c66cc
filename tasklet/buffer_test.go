package tasklet_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-greenlet/greenlet/tasklet"
)

// The exchange of the contract's table, with a buffer. A sender is blocked only when the
// buffer is full, and goes on when there is room, by the channel's preference.
func TestBufferedOrder(t *testing.T) {
	for name, test := range map[string]struct {
		n    int
		set  func(c *tasklet.Channel[int])
		want string
	}{
		"no room":                {0, func(*tasklet.Channel[int]) {}, "s0 r0 x s1 r1 s2 r2 R. S."},
		"room for all":           {3, func(*tasklet.Channel[int]) {}, "s0 s1 s2 S. r0 r1 r2 R. x"},
		"room for one":           {1, func(*tasklet.Channel[int]) {}, "s0 s1 r0 r1 x s2 r2 R. S."},
		"room for one, neither":  {1, func(c *tasklet.Channel[int]) { c.SetPreference(tasklet.PreferNeither) }, "s0 s1 r0 r1 x s2 S. r2 R."},
		"room for one, sender":   {1, func(c *tasklet.Channel[int]) { c.SetPreference(tasklet.PreferSender) }, "s0 s1 s2 x r0 S. r1 r2 R."},
		"room for one, everyone": {1, func(c *tasklet.Channel[int]) { c.SetScheduleAll(true) }, "s0 s1 x s2 r0 S. r1 r2 R."},
	} {
		t.Run(name, func(t *testing.T) {
			world(t, func() {
				var r record
				c := tasklet.NewChannel[int](tasklet.WithBuffer(test.n))
				test.set(c)
				r.exchangeOn(c, "SRx")
				assert.Equal(t, test.want, r.String())
			})
		})
	}
}

// What is in the buffer is received after Close, and an error that is there arrives as one.
func TestBufferedClose(t *testing.T) {
	world(t, func() {
		c := tasklet.NewChannel[int](tasklet.WithBuffer(2))
		oops := errors.New("oops")
		require.NoError(t, c.Send(1))
		require.NoError(t, c.SendError(oops))
		blocked := tasklet.Go(func() { assert.NoError(t, c.Send(3)) })
		tasklet.Schedule()
		assert.True(t, blocked.Blocked())
		assert.Equal(t, 1, c.Balance(), "values in the buffer are nobody's")
		c.Close()
		assert.ErrorIs(t, c.Send(4), tasklet.ErrClosed)
		v, err := c.Receive()
		require.NoError(t, err)
		assert.Equal(t, 1, v)
		assert.Equal(t, 0, c.Balance())
		_, err = c.Receive()
		assert.Equal(t, oops, err)
		assert.False(t, c.Closed())
		v, err = c.Receive()
		require.NoError(t, err)
		assert.Equal(t, 3, v)
		assert.True(t, c.Closed())
		require.NoError(t, tasklet.Run())
		assert.False(t, blocked.Alive())
	})
}

// A blocked sender that is killed takes its value with it; one behind it gets the room.
func TestBufferedSenderIsKilled(t *testing.T) {
	world(t, func() {
		c := tasklet.NewChannel[int](tasklet.WithBuffer(1))
		var senders []*tasklet.Tasklet
		for i := range 4 {
			senders = append(senders, tasklet.Go(func() { _ = c.Send(i) }))
		}
		require.NoError(t, tasklet.Run())
		require.NoError(t, senders[1].Kill())
		assert.Equal(t, 2, c.Balance())
		c.Close()
		assert.Equal(t, []int{0, 2, 3}, slices.Collect(c.All()))
	})
}

// What is posted takes no place in the buffer, and keeps its place in the queue.
func TestBufferedPosts(t *testing.T) {
	world(t, func() {
		c := tasklet.NewChannel[int](tasklet.WithBuffer(1))
		require.NoError(t, c.Post(1))
		require.NoError(t, c.Post(2))
		require.NoError(t, c.Send(3), "there is room")
		tasklet.Go(func() { _ = c.Send(4) })
		tasklet.Schedule()
		assert.Equal(t, 1, c.Balance())
		require.NoError(t, c.Post(5))
		tasklet.Go(func() { _ = c.Send(6) })
		tasklet.Schedule()
		for want := range 4 {
			v, err := c.Receive()
			require.NoError(t, err)
			assert.Equal(t, want+1, v)
		}
		assert.Equal(t, 0, c.Balance(), "6 is in the buffer, behind the post")
		for want := range 2 {
			v, err := c.Receive()
			require.NoError(t, err)
			assert.Equal(t, want+5, v)
		}
		n, err := c.SendAll(slices.Values([]int{7}))
		require.NoError(t, err)
		assert.Equal(t, 1, n)
		var d *tasklet.DeadlockError
		require.ErrorAs(t, c.Send(8), &d, "the buffer is full")
	})
}

func TestBufferBelowNothing(t *testing.T) {
	err, _ := panicOf(func() { tasklet.WithBuffer(-1) }).(error)
	assert.EqualError(t, err, "tasklet: WithBuffer(-1): a buffer has room for 0 values or more")
}
