//go:build cgo && linux && go1.25

package greenlet_test

import (
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-greenlet/greenlet"
)

// A thread that has ended outside of a bubble of testing/synctest, with a greenlet, is not ended by
// what looks in the bubble: the runtime counts the goroutines that run there.
func TestAThreadHasEndedOutsideOfTheBubble(t *testing.T) {
	needsFree(t)
	for try, done := 0, false; !done; try++ {
		require.Less(t, try, 5)
		var left [2]*greenlet.Greenlet
		whenThreadsHaveEnded(t, func(i int) {
			runtime.LockOSThread() // never unlocked
			left[i] = suspended(t, quietly)
		})
		synctest.Test(t, func(t *testing.T) {
			if left[0].Dead() || left[1].Dead() {
				return // what follows a collection has come first, one of before the test
			}
			time.Sleep(time.Hour)
			synctest.Wait()
			tree(t, func(*greenlet.Greenlet) {
				value(t, 1)(greenlet.New(func(any) (any, error) { time.Sleep(time.Hour); return 1, nil }).Switch(nil))
			})
			done = true
		})
		assert.True(t, left[0].Dead() || left[1].Dead())
	}
}

// Nothing goes into a bubble of testing/synctest, or out of it, or from one goroutine in it to
// another one; and what was refused is as it was.
func TestFreeTreesInABubble(t *testing.T) {
	needsFree(t)
	refused := func(f func()) {
		err, _ := recovered(f).(error)
		require.ErrorIs(t, err, greenlet.ErrWrongThread)
	}
	outside, stopOutside := greenlet.Pull(count(10))
	outside()
	synctest.Test(t, func(t *testing.T) {
		next, stop := greenlet.Pull(count(10))
		v, _ := next()
		require.Equal(t, 0, v)
		refused(func() { outside() })
		onGoroutine(func() { refused(func() { next() }) }) // of the same bubble
		v, _ = next()
		require.Equal(t, 1, v)
		onGoroutine(func() { // another tree
			mine, stopMine := greenlet.Pull(func(yield func(int) bool) {
				time.Sleep(time.Hour)
				yield(1)
			})
			mine()
			stopMine()
		})
		require.NoError(t, greenlet.New(func(any) (any, error) { time.Sleep(time.Hour); return nil, nil }).Kill())
		stop()
	})
	v, _ := outside()
	require.Equal(t, 1, v)
	stopOutside()
}
