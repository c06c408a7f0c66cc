package greenlet_test

import (
	"errors"
	"iter"
	"runtime"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-greenlet/greenlet"
	"github.com/go-greenlet/greenlet/internal/cgotest"
)

func count(n int) iter.Seq[int] {
	return func(yield func(int) bool) {
		for i := range n {
			if !yield(i) {
				return
			}
		}
	}
}

func TestPull(t *testing.T) {
	next, stop := greenlet.Pull(count(3))
	defer stop()
	for want := range 3 {
		v, ok := next()
		assert.True(t, ok)
		assert.Equal(t, want, v)
	}
	for range 3 {
		v, ok := next()
		assert.False(t, ok)
		assert.Zero(t, v)
	}
	stop()
	stop()
}

func TestPull2(t *testing.T) {
	next, stop := greenlet.Pull2(slices.All([]string{"a", "b"}))
	k, v, ok := next()
	assert.Equal(t, []any{0, "a", true}, []any{k, v, ok})
	k, v, ok = next()
	assert.Equal(t, []any{1, "b", true}, []any{k, v, ok})
	k, v, ok = next()
	assert.Equal(t, []any{0, "", false}, []any{k, v, ok})
	stop()
}

func TestPullStop(t *testing.T) {
	var ended []string
	seq := func(yield func(int) bool) {
		defer func() { ended = append(ended, "deferred") }()
		for i := 0; yield(i); i++ {
		}
		ended = append(ended, "false")
		assert.False(t, yield(-1), "once stopped, it stays so")
	}
	next, stop := greenlet.Pull(seq)
	_, ok := next()
	assert.True(t, ok)
	stop()
	assert.Equal(t, []string{"false", "deferred"}, ended)
	_, ok = next()
	assert.False(t, ok)
	stop()
	assert.Len(t, ended, 2)

	// Stopped before it began, seq never runs.
	next, stop = greenlet.Pull(seq)
	stop()
	_, ok = next()
	assert.False(t, ok)
	assert.Len(t, ended, 2)
}

func TestPullPassesPanics(t *testing.T) {
	next, stop := greenlet.Pull(func(yield func(int) bool) {
		yield(1)
		panic("boom")
	})
	_, ok := next()
	assert.True(t, ok)
	assert.PanicsWithValue(t, "boom", func() { next() })
	_, ok = next()
	assert.False(t, ok)
	stop()

	// As a stop finds it, too.
	next, stop = greenlet.Pull(func(yield func(int) bool) {
		defer func() { panic("boom") }()
		yield(1)
	})
	next()
	assert.PanicsWithValue(t, "boom", stop)
	stop()
}

func TestPullPassesGoexit(t *testing.T) {
	for _, how := range []string{"next", "stop"} {
		done := make(chan bool, 1)
		go func() {
			defer close(done)
			next, stop := greenlet.Pull(func(yield func(int) bool) {
				defer runtime.Goexit()
				yield(1)
			})
			next()
			if how == "next" {
				next()
			} else {
				stop()
			}
			done <- true
		}()
		assert.False(t, <-done, how)
	}
}

func TestPullThroughC(t *testing.T) {
	throughC := func(n int) iter.Seq[int] {
		return func(yield func(int) bool) {
			for i := range n {
				stopped := false
				cgotest.Call(func() { stopped = !yield(i) })
				if stopped {
					return
				}
			}
		}
	}
	next1, stop1 := greenlet.Pull(throughC(5))
	next2, stop2 := greenlet.Pull(throughC(3))
	defer stop1()
	defer stop2()
	for i := range 3 {
		a, _ := next1()
		var b int
		cgotest.Call(func() { b, _ = next2() })
		assert.Equal(t, []int{i, i}, []int{a, b})
		runtime.GC()
	}
	_, ok := next2()
	assert.False(t, ok)
	v, ok := next1()
	assert.True(t, ok)
	assert.Equal(t, 3, v)
}

func permutations(items []int, yield func([]int) bool) bool {
	if len(items) <= 1 {
		return yield(items)
	}
	for i, first := range items {
		rest := slices.Delete(slices.Clone(items), i, i+1)
		next, stop := greenlet.Pull(func(y func([]int) bool) { permutations(rest, y) })
		for {
			p, ok := next()
			if !ok {
				break
			}
			if !yield(append([]int{first}, p...)) {
				stop()
				return false
			}
		}
	}
	return true
}

func TestPullNested(t *testing.T) {
	var all [][]int
	permutations([]int{0, 1, 2, 3}, func(p []int) bool { all = append(all, p); return true })
	require.Len(t, all, 24)
	assert.True(t, slices.IsSortedFunc(all, slices.Compare))

	// Two at once, the shorter one ends first.
	next4, stop4 := greenlet.Pull(func(y func([]int) bool) { permutations([]int{0, 1, 2, 3}, y) })
	next3, stop3 := greenlet.Pull(func(y func([]int) bool) { permutations([]int{0, 1, 2}, y) })
	n := 0
	for {
		p3, ok := next3()
		if !ok {
			break
		}
		p4, ok := next4()
		require.True(t, ok)
		assert.Equal(t, all[n], p4)
		assert.Len(t, p3, 3)
		n++
	}
	assert.Equal(t, 6, n)
	stop3()
	stop4()
}

func TestPullFromAnotherGoroutinePanicsAndTouchesNothing(t *testing.T) {
	next, stop := greenlet.Pull(count(3))
	next()
	done := make(chan any)
	for _, f := range []func(){func() { next() }, stop} {
		go func() { done <- recovered(f) }()
		err, ok := (<-done).(error)
		require.True(t, ok)
		assert.ErrorIs(t, err, greenlet.ErrWrongThread)
	}
	v, ok := next()
	assert.True(t, ok)
	assert.Equal(t, 1, v)
	stop()
}

func TestPullCalledWhileItRunsPanics(t *testing.T) {
	var next func() (int, bool)
	var stop func()
	next, stop = greenlet.Pull(func(yield func(int) bool) {
		assert.ErrorContains(t, recovered(func() { next() }).(error), "while the coroutine runs")
		assert.ErrorContains(t, recovered(stop).(error), "while the coroutine runs")
		yield(1)
	})
	v, ok := next()
	assert.True(t, ok)
	assert.Equal(t, 1, v)
	stop()
}

// In the middle of next, control can go elsewhere and come back by other ways.
func TestPullInATree(t *testing.T) {
	tree(t, func(root *greenlet.Greenlet) {
		var seq *greenlet.Greenlet
		next, stop := greenlet.Pull(func(yield func(int) bool) {
			seq = greenlet.Current()
			value(t, "go on")(root.Switch("from seq"))
			yield(1)
		})
		caller := greenlet.New(func(any) (any, error) {
			v, ok := next()
			return []any{v, ok}, nil
		})
		value(t, "from seq")(caller.Switch(nil))
		value(t, []any{1, true})(seq.Switch("go on"))

		// It waits in its yield: only next may resume it.
		_, err := seq.Switch("stranger")
		assert.ErrorContains(t, err, "by its own next")
		assert.Equal(t, greenlet.Suspended, seq.State())
		stop()
		assert.True(t, seq.Dead())
	})
}

// An error thrown at the one who waits in next cannot be returned by next.
func TestThrowAtTheCallerOfNext(t *testing.T) {
	tree(t, func(root *greenlet.Greenlet) {
		next, stop := greenlet.Pull(func(yield func(int) bool) {
			if _, err := root.Switch(nil); err == nil {
				yield(1)
			}
		})
		deferred := false
		caller := greenlet.New(func(any) (any, error) {
			defer func() { deferred = true }()
			next()
			return nil, nil
		})
		value(t, nil)(caller.Switch(nil))
		fails(t, errSome)(caller.Throw(errSome))
		assert.True(t, deferred)
		assert.True(t, caller.Dead())
		assert.ErrorContains(t, recovered(func() { next() }).(error), "waits elsewhere")
		_ = stop
	})
}

func TestKillEndsAnIteratorLikeStop(t *testing.T) {
	tree(t, func(root *greenlet.Greenlet) {
		var seq *greenlet.Greenlet
		ended := false
		next, _ := greenlet.Pull(func(yield func(int) bool) {
			seq = greenlet.Current()
			for yield(1) {
			}
			ended = true
		})
		next()
		require.NoError(t, seq.Kill())
		assert.True(t, ended)
		_, ok := next()
		assert.False(t, ok)
	})
}

func TestAForgottenPullIsEnded(t *testing.T) {
	tree(t, func(root *greenlet.Greenlet) {
		ended := false
		func() {
			next, _ := greenlet.Pull(func(yield func(int) bool) {
				for yield(1) {
				}
				ended = true
			})
			next()
		}()
		waitFor(t, func() bool {
			value(t, 1)(root.Switch(1))
			return ended
		})
	})
}

func TestPullAllocatesNothingPerValue(t *testing.T) {
	noAsan(t, "its calls to C take memory")
	next, stop := greenlet.Pull(count(1 << 30))
	defer stop()
	next()
	next()
	assert.Zero(t, testing.AllocsPerRun(1000, func() { next() }))
}

func TestSwitchAllocatesNothing(t *testing.T) {
	noAsan(t, "its calls to C take memory")
	tree(t, func(root *greenlet.Greenlet) {
		g := greenlet.New(func(v any) (any, error) {
			for {
				var err error
				if v, err = root.Switch(v); err != nil {
					return nil, err
				}
			}
		})
		var v any = "a value"
		_, err := g.Switch(v)
		require.NoError(t, err)
		assert.Zero(t, testing.AllocsPerRun(1000, func() { _, _ = g.Switch(v) }))
	})
}

// ---- Coroutine

func accumulator(yield func(int) (int, error), first int) error {
	sum := first
	for {
		in, err := yield(sum)
		if err != nil {
			return err
		}
		if in < 0 {
			return errSome
		}
		sum += in
	}
}

func TestCoroutine(t *testing.T) {
	c := greenlet.NewCoroutine(accumulator)
	for i, want := range []int{0, 1, 3, 6, 10} {
		out, ok, err := c.Resume(i)
		require.NoError(t, err)
		assert.True(t, ok)
		assert.Equal(t, want, out)
	}
	out, ok, err := c.Resume(-1)
	assert.ErrorIs(t, err, errSome)
	assert.False(t, ok)
	assert.Zero(t, out)
	_, ok, err = c.Resume(1)
	assert.NoError(t, err)
	assert.False(t, ok)
	assert.NoError(t, c.Stop())
}

func TestCoroutineStop(t *testing.T) {
	c := greenlet.NewCoroutine(accumulator)
	_, ok, err := c.Resume(1)
	require.NoError(t, err)
	require.True(t, ok)
	require.NoError(t, c.Stop())
	require.NoError(t, c.Stop())
	_, ok, err = c.Resume(1)
	assert.NoError(t, err)
	assert.False(t, ok)

	c = greenlet.NewCoroutine(accumulator) // never begun
	require.NoError(t, c.Stop())

	// One that fails on the way out, and one that refuses.
	c = greenlet.NewCoroutine(func(yield func(int) (int, error), _ int) error {
		_, err := yield(1)
		return errors.Join(errOther, err)
	})
	_, _, _ = c.Resume(0)
	assert.NoError(t, c.Stop(), "it wraps ErrExit")
	c = greenlet.NewCoroutine(func(yield func(int) (int, error), _ int) error {
		_, _ = yield(1)
		in, err := yield(2)
		assert.Equal(t, 5, in)
		return err
	})
	_, _, _ = c.Resume(0)
	assert.ErrorContains(t, c.Stop(), "lives")
	_, ok, err = c.Resume(5)
	assert.NoError(t, err)
	assert.False(t, ok)
}

func TestCoroutineErrors(t *testing.T) {
	_, ok, err := greenlet.NewCoroutine[int, int](nil).Resume(1)
	assert.ErrorIs(t, err, greenlet.ErrNoRun)
	assert.False(t, ok)
	for _, c := range []*greenlet.Coroutine[int, int]{nil, {}} {
		_, ok, err = c.Resume(1)
		assert.ErrorContains(t, err, "NewCoroutine")
		assert.False(t, ok)
		assert.Error(t, c.Stop())
	}

	// Resumed by itself, and from another goroutine.
	var c *greenlet.Coroutine[int, int]
	var kept func(int) (int, error)
	c = greenlet.NewCoroutine(func(yield func(int) (int, error), first int) error {
		kept = yield
		_, ok, err := c.Resume(1)
		assert.False(t, ok)
		assert.ErrorContains(t, err, "while the coroutine runs")
		in, err := yield(first)
		assert.Equal(t, 2, in)
		return err
	})
	out, ok, err := c.Resume(7)
	assert.Equal(t, []any{7, true, error(nil)}, []any{out, ok, err})
	done := make(chan error)
	go func() {
		_, _, err := c.Resume(9)
		done <- err
	}()
	assert.ErrorIs(t, <-done, greenlet.ErrWrongThread)
	_, err = kept(1)
	assert.ErrorContains(t, err, "outside of its body")
	_, ok, err = c.Resume(2)
	assert.NoError(t, err)
	assert.False(t, ok)
}

func TestCoroutinePanics(t *testing.T) {
	c := greenlet.NewCoroutine(func(func(int) (int, error), int) error { panic("boom") })
	p := recovered(func() { _, _, _ = c.Resume(1) }).(*greenlet.PanicError)
	assert.Equal(t, "boom", p.Value)
	_, ok, err := c.Resume(1)
	assert.NoError(t, err)
	assert.False(t, ok)
}

func TestCoroutineAllocatesNothingPerValue(t *testing.T) {
	noAsan(t, "its calls to C take memory")
	c := greenlet.NewCoroutine(accumulator)
	_, _, _ = c.Resume(1)
	_, _, _ = c.Resume(1)
	assert.Zero(t, testing.AllocsPerRun(1000, func() { _, _, _ = c.Resume(1) }))
	require.NoError(t, c.Stop())
}
