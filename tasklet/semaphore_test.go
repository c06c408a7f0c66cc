package tasklet_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-greenlet/greenlet/tasklet"
)

// Permits go to those that wait longest, and nobody overtakes them.
func TestSemaphore(t *testing.T) {
	world(t, func() {
		var r record
		s := tasklet.NewSemaphore(2, tasklet.WithName("bath"))
		for i := range 5 {
			tasklet.Go(func() {
				require.NoError(t, s.Acquire())
				r.add(i)
				tasklet.Schedule()
				s.Release()
				r.add(fmt.Sprint(i, "."))
				if i == 0 {
					assert.False(t, s.TryAcquire(), "the permit is 2's, who has waited")
				}
			})
		}
		r.run()
		assert.Equal(t, "0 1 0. 1. 2 3 2. 3. 4 4.", r.String())
		assert.True(t, s.TryAcquire())
		assert.True(t, s.TryAcquire())
		assert.False(t, s.TryAcquire())
		err := s.Acquire()
		assert.ErrorContains(t, err, "waits for bath")
		s.Release()
		require.NoError(t, s.Acquire())
	})
	assert.Panics(t, func() { new(tasklet.Semaphore).Release() })
	err, _ := panicOf(func() { tasklet.NewSemaphore(-1) }).(error)
	assert.EqualError(t, err, "tasklet: NewSemaphore(-1): it has 0 permits or more")
}

// One that is killed when the permit is on its way to it has not got it.
func TestSemaphoreKilledWithAPermit(t *testing.T) {
	world(t, func() {
		s := tasklet.NewSemaphore(0)
		a := tasklet.Go(func() { assert.ErrorIs(t, s.Acquire(), tasklet.ErrExit) })
		b := tasklet.Go(func() { assert.NoError(t, s.Acquire()) })
		tasklet.Schedule()
		s.Release()
		assert.False(t, s.TryAcquire())
		require.NoError(t, a.KillLater())
		require.NoError(t, tasklet.Run())
		assert.False(t, a.Alive())
		assert.False(t, b.Alive(), "it got the permit")
		assert.False(t, s.TryAcquire())
	})
}

// The same for a panic, which comes out where main waits.
func TestSemaphorePanicWithAPermit(t *testing.T) {
	world(t, func() {
		s := tasklet.NewSemaphore(0)
		tasklet.Go(func() {
			s.Release()
			panic("boom")
		})
		assert.NotNil(t, panicOf(func() { _ = s.Acquire() }))
		assert.True(t, s.TryAcquire())
	})
}

func TestSemaphoreIsReleasedFromOutside(t *testing.T) {
	world(t, func() {
		s := tasklet.NewSemaphore(0, tasklet.WithPosts())
		done := make(chan bool)
		go func() {
			defer close(done)
			assert.ErrorIs(t, s.Acquire(), tasklet.ErrWrongThread)
			assert.Panics(t, func() { s.TryAcquire() })
			s.Release()
			s.Release()
		}()
		require.NoError(t, s.Acquire())
		<-done
		assert.True(t, s.TryAcquire())
		assert.False(t, s.TryAcquire())
	})
}
