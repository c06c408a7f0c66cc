//go:build go1.25

package greenlet_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-greenlet/greenlet"
	"github.com/go-greenlet/greenlet/internal/cgotest"
	"github.com/go-greenlet/greenlet/internal/gort"
	"github.com/go-greenlet/greenlet/tasklet"
)

// A greenlet made in a bubble is in it: its clock, its timers and channels are the
// bubble's, and the bubble waits for it.
func TestGreenletsInABubble(t *testing.T) {
	needsOneM(t, "there a greenlet's goroutine was made by no goroutine")
	hour := func(t *testing.T) { // in no time, in the bubble's
		begin := time.Now()
		time.Sleep(time.Hour)
		timer := time.After(time.Hour)
		ch := make(chan time.Duration)
		go func() { <-timer; ch <- time.Since(begin) }()
		assert.Equal(t, 2*time.Hour, <-ch)
	}
	t.Run("Run", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			tree(t, func(root *greenlet.Greenlet) {
				for i := range 4 {
					g := greenlet.New(func(any) (any, error) {
						hour(t)
						if i%2 == 0 {
							cgotest.Call(func() { hour(t); _, _ = root.Switch(nil); hour(t) })
						} else {
							_, _ = root.Switch(nil)
						}
						hour(t)
						return nil, nil
					})
					value(t, nil)(g.Switch(nil))
					assert.True(t, gort.Locked())
					hour(t)
					if i > 1 {
						value(t, nil)(g.Switch(nil))
						assert.True(t, gort.Locked())
					}
				}
				synctest.Wait()
			})
		})
	})
	t.Run("Pull", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			next, stop := greenlet.Pull(func(yield func(time.Time) bool) {
				for {
					hour(t)
					if !yield(time.Now()) {
						return
					}
				}
			})
			defer stop()
			begin := time.Now()
			for i := range 3 {
				at, ok := next()
				require.True(t, ok)
				require.Equal(t, time.Duration(i+1)*2*time.Hour, at.Sub(begin))
			}
		})
	})
	t.Run("tasklets", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			begin := time.Now()
			sum := 0
			tree(t, func(*greenlet.Greenlet) {
				ch := tasklet.NewChannel[int]()
				tasklet.Go(func() {
					for range 3 {
						time.Sleep(time.Minute)
						_ = ch.Send(1)
					}
				})
				tasklet.Go(func() {
					for range 3 {
						v, err := ch.Receive()
						require.NoError(t, err)
						sum += v
					}
				})
				require.NoError(t, tasklet.Run())
			})
			assert.Equal(t, 3, sum)
			assert.Equal(t, 3*time.Minute, time.Since(begin))
		})
	})
}

// In a bubble the runtime does each switch, the first one to a greenlet, too: it counts the goroutines
// of a bubble that run.
func TestTheRuntimeDoesTheSwitchesInABubble(t *testing.T) {
	needsOneM(t, "elsewhere it does all")
	next := func(t *testing.T) {
		next, stop := greenlet.Pull(count(2))
		before := greenlet.Officials()
		next()
		assert.Equal(t, 2, greenlet.Officials()-before)
		stop()
	}
	t.Run("bound", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			tree(t, func(root *greenlet.Greenlet) {
				g := greenlet.New(func(any) (any, error) { return root.Switch(nil) })
				before := greenlet.Officials()
				value(t, nil)(g.Switch(nil))
				assert.Equal(t, 2, greenlet.Officials()-before)
				next(t)
				value(t, nil)(g.Switch(nil))
			})
		})
	})
	t.Run("free", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			other, stop := greenlet.Pull(count(2))
			other() // makes a root
			next(t)
			stop()
		})
	})
}
