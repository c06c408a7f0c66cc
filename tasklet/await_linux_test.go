package tasklet_test

import (
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-greenlet/greenlet/tasklet"
)

// When something is awaited and nobody can run, the thread sleeps: it does not spin.
func TestWaitingTakesNoProcessor(t *testing.T) {
	world(t, func() {
		var before, after syscall.Rusage
		const thread = 1 // RUSAGE_THREAD
		require.NoError(t, syscall.Getrusage(thread, &before))
		begin := time.Now()
		order := ""
		var late time.Duration // other programs may take the processor away
		for _, d := range []time.Duration{300, 100, 200} {
			tasklet.Go(func() {
				late = time.Since(begin)
				assert.NoError(t, tasklet.Sleep(d*time.Millisecond))
				order += string(rune('0' + d/100))
			})
		}
		require.NoError(t, tasklet.Run())
		assert.GreaterOrEqual(t, time.Since(begin), 300*time.Millisecond)
		require.NoError(t, syscall.Getrusage(thread, &after))
		used := time.Duration(after.Utime.Nano() - before.Utime.Nano())
		assert.Less(t, used, 150*time.Millisecond)
		if late < 50*time.Millisecond {
			assert.Equal(t, "123", order)
		}
	})
}
