package tasklet_test

import (
	"regexp"
	"runtime"
	"testing"
	"time"
	"weak"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-greenlet/greenlet/tasklet"
)

// numbers are what names end with.
var numbers = regexp.MustCompile(`/\d+`)

func TestTasklets(t *testing.T) {
	virtually(t, func() {
		orders := tasklet.NewChannel[int](tasklet.WithName("orders"))
		fresh := tasklet.New(func() {}).SetName("fresh")
		tasklet.Go(func() { _, _ = orders.Receive() }).SetName("cook")
		tasklet.Go(func() { _ = tasklet.Sleep(time.Hour) }).SetName("cat")
		tasklet.Go(func() { tasklet.ScheduleRemove() }).SetName("guest")
		tasklet.Schedule()
		out := tasklet.Go(func() {}).SetName("out")
		require.NoError(t, out.Remove())
		require.NoError(t, out.Insert())
		require.NoError(t, out.Remove())
		gone := tasklet.Go(func() {}).SetName("gone")
		require.NoError(t, gone.Kill())
		tasklet.Go(func() {}).SetName("next")
		tasklet.Go(func() {}).SetName("last")
		var got []string
		for _, a := range tasklet.Tasklets() {
			got = append(got, numbers.ReplaceAllString(a.String(), ""))
		}
		assert.Equal(t, []string{"main (running)", "next (runnable)", "last (runnable)", "cook (receives from orders)",
			"cat (waits for Sleep)", "fresh (paused)", "guest (paused)", "out (paused)"}, got)
		assert.Contains(t, gone.String(), " (dead)")
		assert.Equal(t, "tasklet(nil)", (*tasklet.Tasklet)(nil).String())

		// Elsewhere nobody may know what it does.
		text := make(chan string)
		go func() { text <- fresh.String() }()
		assert.Equal(t, label(fresh), <-text)
	})
	world(t, func() { assert.Len(t, tasklet.Tasklets(), 1) })
}

// The list of the paused keeps nobody, and does not grow with those that are gone.
func TestTaskletsForgetsTheForgotten(t *testing.T) {
	world(t, func() {
		forgotten := func() weak.Pointer[tasklet.Tasklet] { return weak.Make(tasklet.New(func() {})) }()
		for i := 0; forgotten.Value() != nil; i++ {
			require.Less(t, i, 100)
			runtime.GC()
		}
		assert.Len(t, tasklet.Tasklets(), 1)
		for range 1000 {
			a := tasklet.New(func() {})
			require.NoError(t, a.Kill())
		}
		assert.Less(t, tasklet.Listed(), 100)
		a := tasklet.New(func() {})
		for range 1000 {
			require.NoError(t, a.Insert())
			require.NoError(t, a.Remove())
		}
		assert.Less(t, tasklet.Listed(), 100)
	})
}
