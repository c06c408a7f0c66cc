package tasklet_test

import (
	"fmt"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-greenlet/greenlet"
	"github.com/go-greenlet/greenlet/tasklet"
)

// deadlock is what main gets when it waits, too.
func deadlock(t *testing.T) *tasklet.DeadlockError {
	_, err := tasklet.NewChannel[string](tasklet.WithName("none")).Receive()
	var d *tasklet.DeadlockError
	require.ErrorAs(t, err, &d)
	return d
}

// "Since" is a place in the program, whatever is between that and the package.
func TestADeadlockReportNamesPlacesInTheProgram(t *testing.T) {
	world(t, func() {
		c := tasklet.NewChannel[int](tasklet.WithName("c"))
		line := func(below int) string {
			_, file, n, _ := runtime.Caller(1)
			return fmt.Sprintf("%s:%d", file, n+below)
		}
		var want []string
		tasklet.Go(func() {
			want = append(want, line(1))
			for range c.All() {
			}
		})
		tasklet.Go(func() {
			want = append(want, line(1))
			_, _ = tasklet.NewChannel[int]().SendAll(slices.Values([]int{1}))
		})
		tasklet.Go(func() {
			want = append(want, line(2))
			_, _ = tasklet.NewChannel[int]().SendAll(func(yield func(int) bool) {
				yield(1)
			})
		})
		require.NoError(t, tasklet.Run())
		d := deadlock(t)
		var got []string
		for _, w := range d.Waits {
			got = append(got, w.Since)
		}
		require.Len(t, got, 4)
		assert.Equal(t, want, got[:3], "the longest waiting first")
		assert.Contains(t, got[3], "deadlock_test.go:")
		assert.Equal(t, []bool{false, true, true, false}, []bool{d.Waits[0].Send, d.Waits[1].Send, d.Waits[2].Send, d.Waits[3].Send})
		assert.Same(t, tasklet.Main(), d.Waits[3].Tasklet)

		// The same of the one that would wait, in a loop.
		p := panicOf(func() {
			want = []string{line(1)}
			for range c.All() {
			}
		})
		err, _ := p.(error)
		require.ErrorAs(t, err, &d)
		assert.Equal(t, want[0], d.Waits[3].Since)

		// ScheduleRemove reports the same way.
		err, _ = panicOf(tasklet.ScheduleRemove).(error)
		require.ErrorAs(t, err, &d)
		assert.Contains(t, err.Error(), "being inserted")
	})
}

// With many that wait, all are listed, and a few are shown.
func TestADeadlockOfMany(t *testing.T) {
	n := 20_000
	if testing.Short() || instrumented {
		n = 1000
	}
	require.NoError(t, greenlet.Run(func(*greenlet.Greenlet) error {
		c := tasklet.NewChannel[int]()
		for i := range n {
			tasklet.Go(func() { _, _ = c.Receive() }).SetName(fmt.Sprint("t", i))
		}
		require.NoError(t, tasklet.Run())
		d := deadlock(t)
		text := d.Error()
		require.Len(t, d.Waits, n+1)
		places := 0 // each takes a look at a stack
		for _, w := range d.Waits {
			if w.Since != "" {
				places++
			}
		}
		assert.LessOrEqual(t, places, 20)
		assert.NotZero(t, places)
		assert.Less(t, len(text), 10_000)
		assert.Contains(t, text, "t0/")
		assert.Contains(t, text, fmt.Sprintf("and %d more", n+1-20))
		assert.Contains(t, text, "main/")
		for i, w := range d.Waits[:n] {
			require.Contains(t, w.Tasklet.String(), fmt.Sprintf("t%d/", i))
		}
		return nil
	}))
}

// An operation that awaits something from outside is no deadlock, and its end may be.
func TestADeadlockAfterWaiting(t *testing.T) {
	world(t, func() {
		var r record
		tasklet.Go(func() {
			assert.NoError(t, tasklet.Sleep(time.Millisecond))
			r.add("slept")
		})
		_ = deadlock(t)
		assert.Equal(t, "slept", r.String())
	})
}

// Run returns when nobody can run, and does not say why. Waits does.
func TestWaits(t *testing.T) {
	world(t, func() {
		assert.Empty(t, tasklet.Waits())
		c := tasklet.NewChannel[int](tasklet.WithName("orders"))
		a := tasklet.Go(func() { _, _ = c.Receive() }).SetName("cook")
		tasklet.Go(func() {})
		require.NoError(t, tasklet.Run())
		waits := tasklet.Waits()
		require.Len(t, waits, 1)
		w := waits[0]
		assert.Same(t, a, w.Tasklet)
		assert.Equal(t, "orders", w.On)
		assert.False(t, w.Send)
		assert.Regexp(t, `^cook/\d+ receives from orders at .*deadlock_test.go:\d+$`, w.String())
		require.NoError(t, c.Send(1))
		assert.Empty(t, tasklet.Waits())
	})
}
