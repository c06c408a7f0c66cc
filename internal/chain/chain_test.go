//go:build cgo && linux

package chain_test

import (
	"errors"
	"math/rand/v2"
	"runtime"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-greenlet/greenlet"
	"github.com/go-greenlet/greenlet/internal/chain"
	"github.com/go-greenlet/greenlet/internal/gort"
)

// churn has 15 greenlets in and out of the library in random order, some nested, with traps,
// kills and thrown errors, and returns how many frames did not find their chain.
func churn(t *testing.T, root *greenlet.Greenlet, seed uint64, options ...greenlet.Option) (broken int) {
	t.Helper()
	broken = -chain.Broken()
	r := rand.New(rand.NewPCG(seed, 1))
	mine := errors.New("mine")
	body := func(any) (any, error) {
		for n := 1; ; n++ {
			var failed error
			depth := 1 + n%4
			trapped := chain.Call(depth, func() bool {
				_, failed = root.Switch(n)
				if failed == nil && n%3 == 0 { // Go -> library -> Go -> library
					chain.Call(2, func() bool { _, failed = root.Switch(-n); return failed != nil })
				}
				return failed != nil || n%5 == 0
			})
			if want := failed != nil || n%5 == 0; trapped != want && broken >= 0 {
				t.Errorf("trapped: %v, not %v", trapped, want)
			}
			if failed != nil {
				return nil, failed
			}
			if n%7 == 0 { // outside of C, by the fast way
				if _, err := root.Switch(0); err != nil {
					return nil, err
				}
			}
			if n > 20 {
				return nil, nil
			}
		}
	}
	var all [15]*greenlet.Greenlet
	for range 3000 {
		i := r.IntN(len(all))
		if all[i] == nil || all[i].Dead() {
			all[i] = greenlet.New(body, options...)
		}
		switch r.IntN(40) {
		case 0:
			assert.NoError(t, all[i].Kill())
		case 1:
			_, err := all[i].Throw(mine)
			assert.ErrorIs(t, err, mine)
		case 2:
			runtime.GC()
		default:
			_, err := all[i].Switch(nil)
			require.NoError(t, err)
		}
		if seed%2 == 1 && r.IntN(10) == 0 { // the root, too, is in the library, and goes on
			chain.Call(1, func() bool { _, err := all[i].Switch(nil); return err != nil })
		}
	}
	for _, g := range all {
		assert.NoError(t, g.Kill())
	}
	assert.Equal(t, 1, chain.Setups(), "the thread is set up once")
	return broken + chain.Broken()
}

func TestATreeCarriesAWord(t *testing.T) {
	runtime.LockOSThread() // before the word's address is taken, which is this thread's
	defer runtime.UnlockOSThread()
	for seed := range uint64(4) {
		require.NoError(t, greenlet.Run(func(root *greenlet.Greenlet) error {
			assert.Zero(t, churn(t, root, seed), "seed %d", seed)
			assert.Zero(t, chain.Length())
			return nil
		}, greenlet.WithThreadLocal(chain.Word())))
	}
}

func TestGreenletsCarryAWord(t *testing.T) {
	require.NoError(t, greenlet.Run(func(root *greenlet.Greenlet) error {
		assert.Zero(t, churn(t, root, 2, greenlet.WithThreadLocal(chain.Word())))
		assert.Zero(t, chain.Length())
		return nil
	}))
}

// onThread calls f on a thread of its own, and waits for it.
func onThread(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		f()
	}()
	<-done
}

func TestCHasAWordCarried(t *testing.T) {
	onThread(func() { // what it carries ends with it
		for seed := range uint64(2) {
			assert.NoError(t, greenlet.Run(func(root *greenlet.Greenlet) error {
				if seed == 0 {
					assert.Zero(t, chain.Carry())
					for _, code := range chain.CarryNothing() {
						assert.Equal(t, -10, code)
					}
					assert.Zero(t, chain.Carry(), "once more")
				}
				assert.Zero(t, churn(t, root, seed+10))
				return nil
			}))
		}
	})
}

// The control: the library breaks if its word is not carried.
func TestWithoutThatTheChainBreaks(t *testing.T) {
	onThread(func() { breaks(t) }) // whose chain is of no use any more
}

func breaks(t *testing.T) {
	assert.NoError(t, greenlet.Run(func(root *greenlet.Greenlet) error {
		before := chain.Broken()
		var all []*greenlet.Greenlet
		for range 3 {
			g := greenlet.New(func(any) (any, error) {
				chain.Call(1, func() bool { _, err := root.Switch(nil); return err != nil })
				return nil, nil
			})
			_, err := g.Switch(nil)
			assert.NoError(t, err)
			all = append(all, g)
		}
		for _, g := range all {
			_, err := g.Switch(nil)
			assert.NoError(t, err)
		}
		assert.Greater(t, chain.Broken(), before)
		return nil
	}))
}

// A Goexit that skips the library's frames leaves nothing of them behind.
func TestFramesThatAreSkipped(t *testing.T) {
	onThread(func() {
		at, size := chain.Word()
		err := greenlet.Run(func(root *greenlet.Greenlet) error {
			leaves := greenlet.New(func(any) (any, error) {
				chain.Call(3, func() bool { runtime.Goexit(); return false })
				return nil, nil
			})
			func() {
				defer func() { assert.Zero(t, chain.Length()) }()
				_, _ = leaves.Switch(nil) // and the Goexit goes on here
			}()
			return nil
		}, greenlet.WithThreadLocal(at, size))
		t.Error(err, "it goes on after a Goexit")
	})
}

func TestErrnoIsCarried(t *testing.T) {
	require.NoError(t, greenlet.Run(func(root *greenlet.Greenlet) error {
		var all []*greenlet.Greenlet
		for i := range 5 {
			g := greenlet.New(func(any) (any, error) {
				e := chain.Errno(100+i, func() bool { root.MustSwitch(nil); return false })
				return e, nil
			})
			g.MustSwitch(nil)
			all = append(all, g)
		}
		e := chain.Errno(99, func() bool {
			for i, g := range all {
				assert.Equal(t, 100+i, g.MustSwitch(nil))
			}
			return false
		})
		assert.Equal(t, 99, e)
		return nil
	}))
}

func TestWordsThatCannotBeCarried(t *testing.T) {
	at, size := chain.Word()
	for _, o := range []greenlet.Option{greenlet.WithThreadLocal(nil, 8), greenlet.WithThreadLocal(at, 0),
		greenlet.WithThreadLocal(at, ^uintptr(0)), greenlet.WithThreadLocal(at, 1<<20+1)} {
		err := greenlet.Run(func(*greenlet.Greenlet) error { t.Error("it runs"); return nil }, o)
		assert.ErrorContains(t, err, "no address")
		require.NoError(t, greenlet.Run(func(*greenlet.Greenlet) error {
			g := greenlet.New(func(any) (any, error) { return "ran", nil }, o)
			_, err := g.Switch(nil)
			assert.ErrorContains(t, err, "no address")
			assert.Equal(t, greenlet.Pending, g.State())
			return nil
		}))
	}
	err := greenlet.Run(func(*greenlet.Greenlet) error { return nil }, greenlet.WithThreadLocal(at, size), greenlet.WithName("x"))
	assert.ErrorContains(t, err, "the options of a Run are WithThreadLocal and WithoutLock")
}

// Words that overlap, as a part of a larger one does, and one that is given twice.
func TestWordsThatOverlap(t *testing.T) {
	for seed := range uint64(4) {
		onThread(func() {
			at, size := chain.Word()
			all := greenlet.WithThreadLocal(at, size)
			part := greenlet.WithThreadLocal(at, size/2)
			rest := greenlet.WithThreadLocal(unsafe.Add(at, size/2), size-size/2)
			options := [][]greenlet.Option{{all}, {part}, {rest, all}, {part, rest, part}}[seed]
			assert.NoError(t, greenlet.Run(func(root *greenlet.Greenlet) error {
				assert.Zero(t, churn(t, root, seed, options...), "seed %d", seed)
				return nil
			}, all))
		})
	}
}

// A variable of a thread is of no use to a tree that holds none.
func TestCHasAWordCarriedWithoutARun(t *testing.T) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		root := greenlet.Current()
		assert.Zero(t, chain.Carry())
		assert.True(t, gort.Locked(), "the goroutine stays where the variable is")
		assert.Zero(t, churn(t, root, 1))
		runtime.LockOSThread() // what it carries ends with it
	}()
	<-done
	done = make(chan struct{})
	go func() {
		defer close(done)
		g := greenlet.New(func(any) (any, error) { return greenlet.Current().Parent().Switch(1) })
		_, err := g.Switch(nil)
		assert.NoError(t, err)
		if !gort.Locked() { // else the engine has bound it anyway
			assert.Negative(t, chain.Carry())
		}
		assert.NoError(t, g.Kill())
	}()
	<-done
}
