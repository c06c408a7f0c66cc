package tasklet_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-greenlet/greenlet/tasklet"
)

func TestEvent(t *testing.T) {
	world(t, func() {
		var r record
		e := tasklet.NewEvent(tasklet.WithName("door open"))
		wait := func(n string) func() {
			return func() {
				r.add(n)
				assert.NoError(t, e.Wait())
				r.add(n + ".")
			}
		}
		a := tasklet.Go(wait("a"))
		tasklet.Go(wait("b"))
		r.run()
		assert.Equal(t, "a b", r.String())
		assert.Equal(t, label(a)+" (waits for door open)", a.String())
		assert.False(t, e.IsSet())
		tasklet.Go(r.does("c"))
		e.Set()
		e.Set()
		assert.True(t, e.IsSet())
		r.add("main")
		r.run()
		assert.Equal(t, "a b main c a. b.", r.String())
		require.NoError(t, e.Wait(), "it has happened already")
		e.Clear()
		assert.False(t, e.IsSet())
		var d *tasklet.DeadlockError
		require.ErrorAs(t, e.Wait(), &d)
		assert.ErrorContains(t, d, "waits for door open at ")
		assert.NotContains(t, d.Error(), "receives")

		tasklet.Main().SetBlockTrap(true)
		assert.EqualError(t, e.Wait(), "tasklet: Wait of door open from "+label(tasklet.Main())+
			": it would block, and a block trap is set; SetBlockTrap(false) allows it")
		tasklet.Main().SetBlockTrap(false)

		// Killed and set at once: killed.
		k := tasklet.Go(func() { assert.ErrorIs(t, e.Wait(), tasklet.ErrExit) })
		tasklet.Schedule()
		e.Set()
		require.NoError(t, k.KillLater())
		r.run()
		assert.False(t, k.Alive())
	})
	assert.EqualError(t, new(tasklet.Event).Wait(), "tasklet: Wait of the zero value: NewChannel, NewEvent and NewSemaphore make one that can be used")
}

// Set from another goroutine: a Run waits for it if the event says that it may come.
func TestEventIsSetFromOutside(t *testing.T) {
	world(t, func() {
		var r record
		e := tasklet.NewEvent(tasklet.WithPosts())
		tasklet.Go(func() {
			assert.NoError(t, e.Wait())
			r.add("waiter")
		})
		tasklet.Schedule()
		release, done := make(chan bool), make(chan bool)
		go func() {
			defer close(done)
			assert.ErrorIs(t, e.Wait(), tasklet.ErrWrongThread)
			assert.Panics(t, func() { e.Clear() })
			assert.Panics(t, func() { e.IsSet() })
			<-release
			e.Set()
		}()
		close(release)
		r.run()
		assert.Equal(t, "waiter", r.String())
		<-done
	})
}
