package tasklet_test

import (
	"context"
	"errors"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-greenlet/greenlet"
	"github.com/go-greenlet/greenlet/tasklet"
)

// Only the tasklet that awaits waits.
func TestAwait(t *testing.T) {
	world(t, func() {
		release := make(chan int)
		turns := 0
		tasklet.Go(func() {
			v, err := tasklet.Await(func() (int, error) { return <-release, errors.New("with an error") })
			assert.EqualError(t, err, "with an error")
			assert.Equal(t, 7, v)
			assert.Greater(t, turns, 99)
			turns = -1
		})
		tasklet.Go(func() {
			for range 100 {
				turns++
				tasklet.Schedule()
			}
			release <- 7
		})
		require.NoError(t, tasklet.Run())
		assert.Equal(t, -1, turns)

		// Main may await as well, alone.
		v, err := tasklet.Await(func() (int, error) { return 8, nil })
		require.NoError(t, err)
		assert.Equal(t, 8, v)

		p := func() (p any) {
			defer func() { p = recover() }()
			_, _ = tasklet.Await(func() (int, error) { panic("there") })
			return nil
		}()
		require.IsType(t, &greenlet.PanicError{}, p)
		assert.Equal(t, "there", p.(*greenlet.PanicError).Value)
	})
}

func TestAContextEndsAnAwait(t *testing.T) {
	world(t, func() {
		ctx, cancel := context.WithCancelCause(context.Background())
		forever := make(chan bool)
		defer close(forever)
		tasklet.Go(func() {
			_, err := tasklet.AwaitContext(ctx, func(context.Context) (bool, error) { return <-forever, nil })
			assert.EqualError(t, err, "enough")
		})
		tasklet.Go(func() { cancel(errors.New("enough")) })
		require.NoError(t, tasklet.Run())
	})
}

// What is killed while it awaits is gone, and what it awaited does not matter any more.
func TestKillWhileAwaiting(t *testing.T) {
	world(t, func() {
		release := make(chan bool)
		ended := false
		a := tasklet.Go(func() {
			_, err := tasklet.Await(func() (bool, error) { return <-release, nil })
			ended = assert.ErrorIs(t, err, tasklet.ErrExit)
		})
		tasklet.Schedule()
		assert.True(t, a.Blocked())
		require.NoError(t, a.Kill())
		assert.True(t, ended)
		close(release)
		require.NoError(t, tasklet.Sleep(time.Millisecond))
		require.NoError(t, tasklet.Run())
		assert.False(t, a.Alive())
	})
}

// When something is awaited and nobody can run, the thread sleeps: it does not spin.
func TestWaitingTakesNoProcessor(t *testing.T) {
	world(t, func() {
		var before, after syscall.Rusage
		const thread = 1 // RUSAGE_THREAD
		require.NoError(t, syscall.Getrusage(thread, &before))
		begin := time.Now()
		order := ""
		for _, d := range []time.Duration{300, 100, 200} {
			tasklet.Go(func() {
				assert.NoError(t, tasklet.Sleep(d*time.Millisecond))
				order += string(rune('0' + d/100))
			})
		}
		require.NoError(t, tasklet.Run())
		assert.GreaterOrEqual(t, time.Since(begin), 300*time.Millisecond)
		require.NoError(t, syscall.Getrusage(thread, &after))
		used := time.Duration(after.Utime.Nano() - before.Utime.Nano())
		assert.Less(t, used, 150*time.Millisecond)
		assert.Equal(t, "123", order)
	})
}

func TestPost(t *testing.T) {
	world(t, func() {
		const n = 1000
		c := tasklet.NewChannel[int](tasklet.WithPosts())
		for range 4 {
			go func() {
				for i := range n {
					c.Post(i)
				}
			}()
		}
		sum := 0
		tasklet.Go(func() {
			for range 4 * n {
				v, err := c.Receive()
				assert.NoError(t, err)
				sum += v
			}
		})
		require.NoError(t, tasklet.Run())
		assert.Equal(t, 4*n*(n-1)/2, sum)

		after := tasklet.After(time.Millisecond)
		_, err := after.Receive()
		require.NoError(t, err)
	})
}

func TestRecv(t *testing.T) {
	world(t, func() {
		ch := make(chan int)
		tasklet.Go(func() {
			v, ok, err := tasklet.Recv(ch)
			assert.NoError(t, err)
			assert.True(t, ok)
			assert.Equal(t, 1, v)
			_, ok, err = tasklet.Recv(ch)
			assert.NoError(t, err)
			assert.False(t, ok)
		})
		go func() {
			ch <- 1
			close(ch)
		}()
		require.NoError(t, tasklet.Run())

		// Thrown out of it, it takes nothing.
		full := make(chan int, 1)
		a := tasklet.Go(func() {
			_, _, err := tasklet.Recv(full)
			assert.ErrorIs(t, err, tasklet.ErrExit)
		})
		tasklet.Schedule()
		require.NoError(t, a.Kill())
		time.Sleep(10 * time.Millisecond)
		full <- 1
		time.Sleep(10 * time.Millisecond)
		assert.Len(t, full, 1)
	})
}
