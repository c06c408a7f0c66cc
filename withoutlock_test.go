//go:build cgo && linux

package greenlet_test

import (
	"runtime"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-greenlet/greenlet"
	"github.com/go-greenlet/greenlet/internal/cgotest"
)

func runFree(f func(root *greenlet.Greenlet) error) error {
	return greenlet.Run(f, greenlet.WithoutLock())
}

func TestARunWithoutLock(t *testing.T) {
	needsFree(t)
	onGoroutine(func() {
		var left *greenlet.Greenlet
		ended := false
		assert.ErrorIs(t, runFree(func(root *greenlet.Greenlet) error {
			assert.False(t, locked())
			assert.True(t, greenlet.FreeTree())
			inC, stop := greenlet.Pull(countInC(2))
			inC()
			assert.True(t, locked())
			stop()
			assert.False(t, locked())
			left = greenlet.New(func(any) (any, error) {
				defer func() { ended = true }()
				_, err := root.Switch(nil)
				assert.ErrorIs(t, err, greenlet.ErrExit)
				return nil, errSome
			})
			value(t, nil)(left.Switch(nil))
			return nil
		}), errSome)
		assert.True(t, ended)
		assert.True(t, left.Dead())
		assert.False(t, greenlet.FreeTree(), "the goroutine is a root still")
		assert.False(t, locked())
	})
}

// A goroutine that is locked, or in a call from C, has the tree that every Run makes.
func TestARunWithoutLockInALockedGoroutine(t *testing.T) {
	onGoroutine(func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		assert.NoError(t, runFree(func(*greenlet.Greenlet) error {
			assert.True(t, locked())
			assert.False(t, greenlet.FreeTree())
			return nil
		}))
		assert.True(t, locked())
	})
	onGoroutine(func() {
		cgotest.Call(func() {
			assert.NoError(t, runFree(func(*greenlet.Greenlet) error {
				assert.False(t, greenlet.FreeTree())
				return nil
			}))
		})
		assert.False(t, locked())
	})
}

// What refuses to end, suspended in C, is given up: the goroutine has its thread's own stack
// again, and is not tied.
func TestARunWithoutLockGivesUpWhatIsInC(t *testing.T) {
	needsFree(t)
	for _, n := range []int{1, 2, 3} { // the first on the thread's own stack, the others on ours
		for range 10 {
			onGoroutine(func() {
				err := runFree(func(root *greenlet.Greenlet) error {
					for range n {
						g := greenlet.New(func(any) (any, error) {
							cgotest.Call(func() {
								for {
									_, _ = root.Switch(nil)
								}
							})
							return nil, nil
						})
						value(t, nil)(g.Switch(nil))
					}
					assert.True(t, locked())
					return nil
				})
				assert.ErrorContains(t, err, "it answered ErrExit by going on")
				require.False(t, locked())
				for range 3 { // C runs, and can be left
					next, stop := greenlet.Pull(countInC(2))
					v, _ := next()
					assert.Equal(t, 0, v)
					assert.True(t, locked())
					cgotest.Call(func() { runtime.GC() })
					stop()
					assert.False(t, locked())
				}
				cgotest.Call(func() {})
				time.Sleep(time.Microsecond)
			})
		}
	}
}

// One that has locked its thread and refuses to end does not leave that to the goroutine.
func TestARunWithoutLockGivesUpALock(t *testing.T) {
	needsFree(t)
	onGoroutine(func() {
		err := runFree(func(root *greenlet.Greenlet) error {
			g := greenlet.New(func(any) (any, error) {
				runtime.LockOSThread()
				for {
					_, _ = root.Switch(nil)
				}
			})
			value(t, nil)(g.Switch(nil))
			assert.True(t, locked())
			return nil
		})
		assert.ErrorContains(t, err, "it answered ErrExit by going on")
		assert.False(t, locked())
	})
}

func TestWhereWithoutLockIsAnError(t *testing.T) {
	var word uintptr
	assert.ErrorContains(t, greenlet.Run(func(*greenlet.Greenlet) error { return nil },
		greenlet.WithoutLock(), greenlet.WithThreadLocal(unsafe.Pointer(&word), unsafe.Sizeof(word))), "WithoutLock")
	g := greenlet.New(returns(1, nil), greenlet.WithoutLock())
	_, err := g.Switch(nil)
	assert.ErrorContains(t, err, "WithoutLock")
	assert.Equal(t, greenlet.Pending, g.State())
}

// A Run takes nothing over that has begun elsewhere, since it would kill that at its end; and
// what it has begun stays in it. To end it is allowed.
func TestNothingComesIntoARunOrOutOfIt(t *testing.T) {
	needsFree(t)
	for name, run := range map[string]func(func(*greenlet.Greenlet) error) error{
		"locked":      func(f func(*greenlet.Greenlet) error) error { return greenlet.Run(f) },
		"WithoutLock": runFree,
	} {
		t.Run(name, func(t *testing.T) {
			refused := func(f func()) {
				err, _ := recovered(f).(error)
				assert.ErrorIs(t, err, greenlet.ErrWrongThread)
			}
			next, stop := greenlet.Pull(count(10))
			other, stopOther := greenlet.Pull(count(10))
			pending, stopPending := greenlet.Pull(count(10))
			c := greenlet.NewCoroutine(accumulator)
			_, _, _ = c.Resume(1)
			next()
			other()
			onGoroutine(func() {
				assert.NoError(t, run(func(root *greenlet.Greenlet) error {
					refused(func() { next() })
					_, _, err := c.Resume(1)
					assert.ErrorIs(t, err, greenlet.ErrWrongThread)
					stopOther()
					v, ok := pending() // begins here, and ends here
					assert.True(t, ok)
					assert.Equal(t, 0, v)

					mine, stopMine := greenlet.Pull(count(10))
					mine()
					onGoroutine(func() { refused(func() { mine() }) })
					v, _ = mine()
					assert.Equal(t, 1, v)
					stopMine()
					return nil
				}))
			})
			v, ok := next()
			assert.True(t, ok)
			assert.Equal(t, 1, v)
			out, ok, err := c.Resume(1)
			assert.NoError(t, err)
			assert.True(t, ok)
			assert.Equal(t, 2, out)
			_, ok = other()
			assert.False(t, ok)
			_, ok = pending()
			assert.False(t, ok)
			stop()
			stopPending()
			assert.NoError(t, c.Stop())
		})
	}
}
