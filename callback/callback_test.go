//go:build cgo && linux

package callback_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-greenlet/greenlet"
	"github.com/go-greenlet/greenlet/callback"
	"github.com/go-greenlet/greenlet/internal/capitest"
	"github.com/go-greenlet/greenlet/internal/handle"
)

func TestAPanicWaitsUntilCHasReturned(t *testing.T) {
	live := handle.Live()
	returned, calls := false, 0
	assert.PanicsWithValue(t, "first", func() {
		callback.During("f", func(h uintptr) {
			for range 3 { // as a library does that calls again although it was told to stop
				callback.Do(h, func(f string) {
					calls++
					assert.Equal(t, "f", f)
					panic("first")
				})
			}
			returned = true
		})
	})
	assert.True(t, returned)
	assert.Equal(t, 1, calls)
	assert.Equal(t, live, handle.Live())
}

// capitest.Hold calls back from a C function, whose frame the panic of MustSwitch must not skip.
func TestWhatMustSwitchUnwindsWithWaits(t *testing.T) {
	require.NoError(t, greenlet.Run(func(root *greenlet.Greenlet) error {
		unwound, went := false, false
		g := greenlet.New(func(any) (any, error) {
			defer func() { unwound = true }()
			capitest.Hold(1, func() {
				root.MustSwitch("inside")
				went = true
			})
			t.Error("it went on")
			return nil, nil
		})
		v, err := g.Switch(nil)
		require.NoError(t, err)
		require.Equal(t, "inside", v)
		mine := errors.New("mine")
		_, err = g.Throw(mine)
		assert.ErrorIs(t, err, mine)
		assert.True(t, g.Dead())
		assert.True(t, unwound)
		assert.False(t, went)
		return nil
	}))
}

// Two greenlets are in calls of one library at the same time, and each call has a nested one.
func TestHandlesDoNotMix(t *testing.T) {
	require.NoError(t, greenlet.Run(func(root *greenlet.Greenlet) error {
		var all []*greenlet.Greenlet
		for i := range 2 {
			all = append(all, greenlet.New(func(any) (any, error) {
				capitest.Hold(1, func() {
					capitest.Hold(2, func() {
						root.MustSwitch(i)
						if i == 0 {
							panic("inner")
						}
					})
					root.MustSwitch("outer")
				})
				return "end", nil
			}))
		}
		for i, g := range all {
			assert.Equal(t, i, g.MustSwitch(nil))
		}
		func() {
			defer func() {
				var e *greenlet.PanicError
				require.ErrorAs(t, recover().(error), &e)
				assert.Equal(t, "inner", e.Value)
			}()
			_, _ = all[0].Switch(nil)
		}()
		assert.Equal(t, "outer", all[1].MustSwitch(nil))
		assert.Equal(t, "end", all[1].MustSwitch(nil))
		return nil
	}))
}

func TestAHandleThatStays(t *testing.T) {
	h := callback.New(func() int { return 7 })
	got := 0
	call := func() { callback.Do(h, func(f func() int) { got += f() }) }
	call()
	callback.Rethrow(h) // no callback has panicked
	callback.Do(h, func(func() int) { panic("once") })
	call()
	assert.Equal(t, 7, got, "called although a panic waits")
	assert.PanicsWithValue(t, "once", func() { callback.Rethrow(h) })
	callback.Rethrow(h)
	call()
	assert.Equal(t, 14, got)

	require.NoError(t, callback.Delete(h))
	assert.ErrorIs(t, callback.Delete(h), handle.ErrStale)
	assert.Panics(t, call)
	assert.Panics(t, func() { callback.Rethrow(h) })
	assert.Panics(t, func() { callback.Rethrow(0) })
}

// If a nested callback panics and then the outer one does, the first panic is kept.
func TestAPanicWithinAPanickingCallback(t *testing.T) {
	assert.PanicsWithValue(t, "inner", func() {
		callback.During(0, func(h uintptr) {
			callback.Do(h, func(int) {
				callback.Do(h, func(int) { panic("inner") })
				panic("outer")
			})
		})
	})
}

func TestAFunctionIsFreedWhileItRuns(t *testing.T) {
	h := callback.New(0)
	callback.Do(h, func(int) {
		require.NoError(t, callback.Delete(h))
		panic("lost")
	})
	assert.Panics(t, func() { callback.Rethrow(h) })
}
