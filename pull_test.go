package greenlet_test

import (
	"context"
	"errors"
	"iter"
	"runtime"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"
	"time"
	"weak"

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

func TestPullOfNil(t *testing.T) {
	next, stop := greenlet.Pull[int](nil)
	next2, stop2 := greenlet.Pull2[int, int](nil)
	for op, f := range map[string]func(){"next of Pull": func() { next() }, "next of Pull2": func() { next2() }} {
		err, _ := recovered(f).(error)
		require.ErrorIs(t, err, greenlet.ErrNoRun)
		assert.ErrorContains(t, err, op)
		assert.ErrorContains(t, err, "made with nil")
	}
	stop()
	stop2()
	_, ok := next()
	assert.False(t, ok)
	_, _, err := greenlet.NewCoroutine[int, int](nil).Resume(1)
	require.ErrorIs(t, err, greenlet.ErrNoRun)
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

// In a Run the goroutine is locked to its thread, and so is all that it has started.
func TestPullOfARunFromAnotherGoroutinePanicsAndTouchesNothing(t *testing.T) {
	tree(t, func(*greenlet.Greenlet) { pullFromAnotherGoroutine(t, count(3)) })
}

func pullFromAnotherGoroutine(t *testing.T, seq iter.Seq[int]) {
	t.Helper()
	next, stop := greenlet.Pull(seq)
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

// pairs is count for Pull2.
func pairs(seq iter.Seq[int]) iter.Seq2[int, int] {
	return func(yield func(int, int) bool) {
		for v := range seq {
			if !yield(v, -v) {
				return
			}
		}
	}
}

func TestPullContext(t *testing.T) {
	for name, pull := range map[string]func(context.Context, iter.Seq[int]) (func() (int, bool), func()){
		"PullContext": greenlet.PullContext[int],
		"Pull2Context": func(ctx context.Context, seq iter.Seq[int]) (func() (int, bool), func()) {
			next, stop := greenlet.Pull2Context(ctx, pairs(seq))
			return func() (int, bool) {
				k, v, ok := next()
				assert.Equal(t, -k, v)
				return k, ok
			}, stop
		},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(context.Background())
			var ended []string
			next, stop := pull(ctx, func(yield func(int) bool) {
				defer func() { ended = append(ended, "deferred") }()
				for i := 1; ; i++ {
					more := false
					cgotest.Call(func() { more = yield(i) })
					if !more {
						ended = append(ended, "left C")
						return
					}
				}
			})
			v, ok := next()
			assert.Equal(t, []any{1, true}, []any{v, ok})
			done := make(chan bool)
			go func() { cancel(errSome); close(done) }() // from any goroutine
			<-done
			assert.Empty(t, ended, "it is the owner's to end it")
			for range 2 {
				v, ok = next()
				assert.Equal(t, []any{0, false}, []any{v, ok})
				assert.Equal(t, []string{"left C", "deferred"}, ended)
			}
			assert.Equal(t, errSome, context.Cause(ctx))
			stop()
		})
	}

	// A panic on the way out goes to who calls next, and not to who ends the context.
	ctx, cancel := context.WithCancel(context.Background())
	next, stop := greenlet.PullContext(ctx, func(yield func(int) bool) {
		defer func() { panic("boom") }()
		yield(1)
	})
	next()
	cancel()
	assert.PanicsWithValue(t, "boom", func() { next() })
	stop()

	// Without an end it is Pull.
	next, stop = greenlet.PullContext(context.Background(), count(2))
	defer stop()
	for want := range 2 {
		v, ok := next()
		assert.Equal(t, []any{want, true}, []any{v, ok})
	}
	_, ok := next()
	assert.False(t, ok)
}

func TestPullContextOverBeforeItBegins(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	next, stop := greenlet.PullContext(ctx, func(func(int) bool) { t.Error("must not run") })
	defer stop()
	_, ok := next()
	assert.False(t, ok)
}

func TestPullContextNeedsAContext(t *testing.T) {
	var none context.Context
	err, _ := recovered(func() { greenlet.PullContext(none, count(1)) }).(error)
	assert.ErrorContains(t, err, "PullContext")
	assert.ErrorContains(t, err, "the context is nil")
	err, _ = recovered(func() { greenlet.Pull2Context(none, pairs(count(1))) }).(error)
	assert.ErrorContains(t, err, "the context is nil")
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
	assert.ErrorIs(t, c.Stop(), errOther, "joined with ErrExit")
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

	tree(t, func(*greenlet.Greenlet) { coroutineErrors(t) })
}

// Resumed by itself, and from another goroutine than the one of its Run.
func coroutineErrors(t *testing.T) {
	t.Helper()
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

// Resume and yield are called at different places in turn, so that they return by a jump where that
// can be, with values that are returned in registers and others.
func TestResumesAtDifferentPlaces(t *testing.T) {
	tree(t, func(*greenlet.Greenlet) {
		differentPlaces(t, func(n int) int { return n })
		differentPlaces(t, func(n int) string { return strconv.Itoa(n) })
		differentPlaces(t, func(n int) complex128 { return complex(float64(n), 1) })
		differentPlaces(t, func(n int) any { return n })
		differentPlaces(t, func(n int) []int { return []int{n} })
		differentPlaces(t, func(n int) [3]int { return [3]int{n} })
		differentPlaces(t, func(n int) struct{ a, b string } { return struct{ a, b string }{"", strconv.Itoa(n)} })
		differentPlaces(t, func(int) struct{} { return struct{}{} })
	})
}

func differentPlaces[T any](t *testing.T, value func(n int) T) {
	t.Helper()
	got := 0
	c := greenlet.NewCoroutine(func(yield func(T) (T, error), first T) error {
		assert.Equal(t, value(0), first)
		for n := 0; ; n += 3 {
			for i, yield := range []func(T) (T, error){
				yield,
				func(v T) (T, error) { return yield(v) },
				func(v T) (T, error) { in, err := yield(v); got++; return in, err },
			} {
				in, err := yield(value(n + i))
				if err != nil {
					return err
				}
				assert.Equal(t, value(n+i+1), in)
			}
		}
	})
	for n := 0; n < 200; n += 4 {
		for i, resume := range []func(T) (T, bool, error){
			c.Resume,
			func(v T) (T, bool, error) { return c.Resume(v) },
			func(v T) (T, bool, error) { out, ok, err := c.Resume(v); got++; return out, ok, err },
			func(v T) (T, bool, error) { defer func() { got++ }(); return c.Resume(v) },
		} {
			out, ok, err := resume(value(n + i))
			require.NoError(t, err)
			assert.True(t, ok)
			assert.Equal(t, value(n+i), out)
		}
	}
	assert.NoError(t, c.Stop())
	assert.Equal(t, 100+66, got)
}

func TestCoroutineAllocatesNothingPerValue(t *testing.T) {
	noAsan(t, "its calls to C take memory")
	c := greenlet.NewCoroutine(accumulator)
	_, _, _ = c.Resume(1)
	_, _, _ = c.Resume(1)
	assert.Zero(t, testing.AllocsPerRun(1000, func() { _, _, _ = c.Resume(1) }))
	require.NoError(t, c.Stop())
}

// ---- Pull and Coroutine among other greenlets

// A child made in a body ends while the body waits in its yield: nobody takes the result
// there, so the body's heir hears of it.
func TestAChildEndsWhileItsParentWaitsInYield(t *testing.T) {
	for _, how := range []string{"value", "ErrExit", "switch to the dead"} {
		t.Run(how, func(t *testing.T) {
			tree(t, func(root *greenlet.Greenlet) {
				var x *greenlet.Greenlet
				next, stop := greenlet.Pull(func(yield func(int) bool) {
					body := greenlet.Current()
					x = greenlet.New(func(any) (any, error) { return body.Switch("x waits") })
					value(t, "x waits")(x.Switch(nil))
					for i := 0; yield(i); i++ {
					}
				})
				next()
				switch how {
				case "value":
					_, err := x.Switch("result")
					assert.ErrorContains(t, err, "by its own next")
				case "ErrExit":
					_, err := x.Throw(nil)
					assert.ErrorContains(t, err, "by its own next")
				default:
					require.NoError(t, x.Kill())
					_, err := x.Switch("to its parent")
					assert.ErrorContains(t, err, "by its own next")
				}
				assert.True(t, x.Dead())
				v, ok := next()
				assert.Equal(t, []any{1, true}, []any{v, ok})
				stop()
			})
		})
	}
}

// An error that a child ends with is its parent's, in a yield, too.
func TestAChildFailsWhileItsParentWaitsInYield(t *testing.T) {
	tree(t, func(root *greenlet.Greenlet) {
		var x *greenlet.Greenlet
		var got error
		c := greenlet.NewCoroutine(func(yield func(int) (int, error), _ int) error {
			x = greenlet.New(func(any) (any, error) { return nil, errSome })
			_, got = yield(1)
			return got
		})
		_, _, _ = c.Resume(0)
		fails(t, errSome)(x.Switch(nil))
		assert.ErrorIs(t, got, errSome)
		_, ok, err := c.Resume(0)
		assert.False(t, ok)
		assert.NoError(t, err)
	})
}

// A next that resumes the body by the short switch and gets the value the long way, since the body
// has set a tracer meanwhile, ends as any other: the one after it is not refused.
func TestAValueThatComesTheLongWay(t *testing.T) {
	onGoroutine(func() {
		seq := func(yield func(int, int) bool) {
			for i := 1; yield(i, -i); i++ {
				if i%3 == 2 {
					greenlet.SetTrace(func(greenlet.Event, *greenlet.Greenlet, *greenlet.Greenlet) {})
				} else {
					greenlet.SetTrace(nil)
				}
			}
		}
		next, stop := greenlet.Pull(func(yield func(int) bool) {
			seq(func(i, _ int) bool { return yield(i) })
		})
		next2, stop2 := greenlet.Pull2(seq)
		c := greenlet.NewCoroutine(func(yield func(int) (int, error), _ int) (err error) {
			seq(func(i, _ int) bool {
				_, err = yield(i)
				return err == nil
			})
			return err
		})
		for i := 1; i <= 9; i++ {
			v, ok := next()
			assert.True(t, ok)
			assert.Equal(t, i, v)
		}
		stop()
		for i := 1; i <= 9; i++ {
			k, v, ok := next2()
			assert.True(t, ok)
			assert.Equal(t, []int{i, -i}, []int{k, v})
		}
		stop2()
		for i := 1; i <= 9; i++ {
			v, ok, err := c.Resume(0)
			assert.NoError(t, err)
			assert.True(t, ok)
			assert.Equal(t, i, v)
		}
		assert.NoError(t, c.Stop())
		greenlet.SetTrace(nil)
	})
}

// A Resume that an error has ended waits no more: when the body has answered a Kill by a yield,
// the next Resume is the one that waits.
func TestAResumeThatAnErrorHasEnded(t *testing.T) {
	tree(t, func(root *greenlet.Greenlet) {
		c := greenlet.NewCoroutine(func(yield func(int) (int, error), _ int) error {
			_, err := root.Switch("elsewhere")
			assert.ErrorIs(t, err, greenlet.ErrExit)
			v, err := yield(1)
			assert.NoError(t, err)
			assert.Equal(t, 7, v)
			_, err = yield(2)
			return err
		})
		resumes := greenlet.New(func(any) (any, error) {
			_, ok, err := c.Resume(0)
			assert.False(t, ok)
			assert.ErrorIs(t, err, errSome)
			return root.Switch("goes on")
		})
		value(t, "elsewhere")(resumes.Switch(nil))
		value(t, "goes on")(resumes.Throw(errSome))
		assert.Error(t, c.Stop()) // it lives on
		v, ok, err := c.Resume(7)
		assert.NoError(t, err)
		assert.True(t, ok)
		assert.Equal(t, 2, v)
		assert.NoError(t, c.Stop())
		assert.NoError(t, resumes.Kill())
	})
}

// elsewhere resumes a coroutine from a greenlet that has ended before the body, which
// waits elsewhere, yields. parent is that greenlet's.
func elsewhere(t *testing.T, root *greenlet.Greenlet, next func(), kill bool) (consumer *greenlet.Greenlet) {
	consumer = greenlet.New(func(any) (any, error) {
		defer func() { _ = recover() }()
		next()
		return nil, nil
	})
	value(t, "elsewhere")(consumer.Switch(nil))
	if kill {
		require.NoError(t, consumer.Kill())
	} else {
		_, err := consumer.Throw(errSome)
		require.NoError(t, err)
	}
	require.True(t, consumer.Dead())
	return consumer
}

func TestYieldSaysThatNobodyWaits(t *testing.T) {
	for _, kill := range []bool{true, false} {
		for _, pending := range []bool{true, false} {
			tree(t, func(root *greenlet.Greenlet) {
				// The parent is dead, or pending, or alive and does something else.
				var body *greenlet.Greenlet
				var said error
				c := greenlet.NewCoroutine(func(yield func(int) (int, error), _ int) error {
					body = greenlet.Current()
					value(t, "go on")(root.Switch("elsewhere"))
					_, said = yield(1)
					return said
				})
				elsewhere(t, root, func() { _, _, _ = c.Resume(0) }, kill)
				if pending {
					p := greenlet.New(func(any) (any, error) { t.Error("an error starts nobody"); return nil, nil })
					require.NoError(t, body.SetParent(p))
				}
				_, err := body.Switch("go on")
				assert.ErrorContains(t, err, "nobody waits")
				assert.Equal(t, err, said)
				assert.True(t, body.Dead())
				_, ok, err := c.Resume(0)
				assert.False(t, ok)
				assert.NoError(t, err)

				ended := false
				next, stop := greenlet.Pull(func(yield func(int) bool) {
					body = greenlet.Current()
					defer func() { ended = true }()
					value(t, "go on")(root.Switch("elsewhere"))
					yield(1)
				})
				elsewhere(t, root, func() { next() }, kill)
				_, err = body.Switch("go on")
				assert.ErrorContains(t, err, "nobody waits")
				assert.True(t, ended)
				v, ok := next()
				assert.Equal(t, []any{0, false}, []any{v, ok})
				stop()
			})
		}
	}
}

// The body goes on after an error that was thrown at its yield by one that does not wait
// for it as Kill does: what it yields then is nobody's.
func TestYieldAfterAThrownErrorIsNobodys(t *testing.T) {
	tree(t, func(root *greenlet.Greenlet) {
		var body *greenlet.Greenlet
		c := greenlet.NewCoroutine(func(yield func(int) (int, error), _ int) error {
			body = greenlet.Current()
			_, err := yield(1)
			assert.ErrorIs(t, err, errSome)
			_, err = yield(2)
			return err
		})
		_, _, _ = c.Resume(0)
		_, err := body.Throw(errSome)
		assert.ErrorContains(t, err, "nobody waits")
		assert.True(t, body.Dead())
	})
}

func TestStopEndsAnIteratorThatWaitsElsewhere(t *testing.T) {
	tree(t, func(root *greenlet.Greenlet) {
		var body *greenlet.Greenlet
		var log []any
		consumer := greenlet.New(func(any) (any, error) {
			next, stop := greenlet.Pull(func(yield func(int) bool) {
				body = greenlet.Current()
				_, err := root.Switch("elsewhere")
				log = append(log, err, yield(1))
			})
			defer stop()
			next()
			return nil, nil
		})
		value(t, "elsewhere")(consumer.Switch(nil))
		require.NoError(t, consumer.Kill())
		assert.True(t, consumer.Dead())
		assert.True(t, body.Dead())
		assert.Equal(t, []any{greenlet.ErrExit, false}, log)
	})
}

// One that refuses lives on, and stop says so; its values have ended all the same.
func TestStopOfAnIteratorThatRefuses(t *testing.T) {
	tree(t, func(root *greenlet.Greenlet) {
		var body *greenlet.Greenlet
		next, stop := greenlet.Pull(func(yield func(int) bool) {
			body = greenlet.Current()
			for range 2 {
				_, _ = root.Switch("elsewhere")
			}
			assert.False(t, yield(1))
		})
		elsewhere(t, root, func() { next() }, true)
		assert.ErrorContains(t, recovered(stop).(error), "lives")
		_, ok := next()
		assert.False(t, ok)
		assert.Equal(t, greenlet.Suspended, body.State())
		stop()
		assert.True(t, body.Dead())
	})
}

// What a stopped iterator ends with passes to the caller of stop, wherever it waited.
func TestStopPassesWhatAnIteratorThatWaitsElsewhereEndsWith(t *testing.T) {
	tree(t, func(root *greenlet.Greenlet) {
		next, stop := greenlet.Pull(func(yield func(int) bool) {
			_, _ = root.Switch("elsewhere")
			panic("boom")
		})
		elsewhere(t, root, func() { next() }, true)
		assert.PanicsWithValue(t, "boom", stop)
		stop()
	})
}

// A body that answers a Kill by yielding yields to the Kill; its Resume goes on waiting,
// and there is no second one meanwhile.
func TestResumeWhileAnEarlierOneStillWaits(t *testing.T) {
	tree(t, func(root *greenlet.Greenlet) {
		var body *greenlet.Greenlet
		c := greenlet.NewCoroutine(func(yield func(int) (int, error), in int) error {
			body = greenlet.Current()
			_, err := root.Switch("elsewhere")
			assert.ErrorIs(t, err, greenlet.ErrExit)
			for i := 0; err == nil || i == 0; i++ {
				in, err = yield(10 + in)
			}
			return err
		})
		type result struct {
			out int
			ok  bool
			err error
		}
		consumer := greenlet.New(func(any) (any, error) {
			out, ok, err := c.Resume(1)
			return result{out, ok, err}, nil
		})
		value(t, "elsewhere")(consumer.Switch(nil))
		assert.ErrorContains(t, body.Kill(), "lives")

		_, ok, err := c.Resume(2)
		assert.False(t, ok)
		assert.ErrorContains(t, err, "still waits")

		// Woken by somebody else, it says so, and waits no more.
		v, err := consumer.Switch("stranger")
		require.NoError(t, err)
		assert.Zero(t, v.(result).out)
		assert.False(t, v.(result).ok)
		assert.ErrorContains(t, v.(result).err, "before the coroutine yielded")
		out, ok, err := c.Resume(3)
		assert.Equal(t, []any{13, true, error(nil)}, []any{out, ok, err})
		require.NoError(t, c.Stop())
		assert.True(t, body.Dead())
	})
}

// Nor does a next of an iterator, and stop ends it.
func TestNextWhileAnEarlierOneStillWaits(t *testing.T) {
	tree(t, func(root *greenlet.Greenlet) {
		var body *greenlet.Greenlet
		next, stop := greenlet.Pull(func(yield func(int) bool) {
			body = greenlet.Current()
			_, err := root.Switch("elsewhere")
			assert.ErrorIs(t, err, greenlet.ErrExit)
			for i := 0; yield(i); i++ {
			}
		})
		consumer := greenlet.New(func(any) (any, error) { next(); return nil, nil })
		value(t, "elsewhere")(consumer.Switch(nil))
		assert.ErrorContains(t, body.Kill(), "lives")
		assert.ErrorContains(t, recovered(func() { next() }).(error), "still waits")
		stop()
		assert.True(t, body.Dead())
		require.NoError(t, consumer.Kill())
	})
}

// SetParent of a body that is killed overrides the Kill, and not the Resume that waits.
func TestSetParentInAKilledBodyLeavesItsResume(t *testing.T) {
	tree(t, func(root *greenlet.Greenlet) {
		got := 0
		c := greenlet.NewCoroutine(func(yield func(int) (int, error), in int) error {
			_, err := root.Switch(greenlet.Current())
			assert.ErrorIs(t, err, greenlet.ErrExit)
			require.NoError(t, greenlet.Current().SetParent(root))
			_, err = yield(10 + in)
			return err
		})
		consumer := greenlet.New(func(any) (any, error) {
			out, _, err := c.Resume(1)
			got = out
			return nil, errors.Join(err, c.Stop())
		})
		body, err := consumer.Switch(nil)
		require.NoError(t, err)
		require.NoError(t, body.(*greenlet.Greenlet).Kill()) // which returns at the consumer's end
		assert.True(t, consumer.Dead())
		assert.Equal(t, 11, got)
		assert.True(t, body.(*greenlet.Greenlet).Dead())
	})
}

// A tracer that runs on a body that is about to go on, and resumes it.
func TestATracerResumesTheBodyItRunsOn(t *testing.T) {
	tree(t, func(root *greenlet.Greenlet) {
		var next func() (int, bool)
		var body *greenlet.Greenlet
		var said any
		next, stop := greenlet.Pull(func(yield func(int) bool) {
			body = greenlet.Current()
			for i := 0; yield(i); i++ {
			}
		})
		next()
		greenlet.SetTrace(func(_ greenlet.Event, _, target *greenlet.Greenlet) {
			if target == body && said == nil {
				said = recovered(func() { next() })
			}
		})
		fails(t, errSome)(body.Throw(errSome))
		assert.ErrorContains(t, said.(error), "while the coroutine runs")
		greenlet.SetTrace(nil)
		stop()
	})
}

// A yield that is refused does not touch the value that is on its way: here, to a next
// whose greenlet runs the tracer first.
func TestARefusedYieldLeavesTheValue(t *testing.T) {
	tree(t, func(root *greenlet.Greenlet) {
		var late func(int) bool
		var late2 func(int, int) bool
		var late3 func(int) (int, error)
		next, stop := greenlet.Pull(func(yield func(int) bool) {
			late = yield
			for yield(1) {
			}
		})
		next2, stop2 := greenlet.Pull2(func(yield func(int, int) bool) {
			late2 = yield
			for yield(1, 1) {
			}
		})
		c := greenlet.NewCoroutine(func(yield func(int) (int, error), _ int) (err error) {
			late3 = yield
			for err == nil {
				_, err = yield(1)
			}
			return err
		})
		next()
		next2()
		_, _, _ = c.Resume(0)
		greenlet.SetTrace(func(_ greenlet.Event, _, target *greenlet.Greenlet) {
			if target != root {
				return
			}
			assert.ErrorContains(t, recovered(func() { late(-1) }).(error), "outside of its body")
			assert.ErrorContains(t, recovered(func() { late2(-1, -1) }).(error), "outside of its body")
			_, err := late3(-1)
			assert.ErrorContains(t, err, "outside of its body")
		})
		v, ok := next()
		assert.Equal(t, []any{1, true}, []any{v, ok})
		k, v, ok := next2()
		assert.Equal(t, []any{1, 1, true}, []any{k, v, ok})
		v, ok, err := c.Resume(0)
		assert.Equal(t, []any{1, true, error(nil)}, []any{v, ok, err})
		greenlet.SetTrace(nil)
		stop()
		stop2()
		assert.NoError(t, c.Stop())
	})
}

// As with iter.Pull, stop called by seq ends the values, and a yield after the end
// returns false.
func TestStopInItsOwnBody(t *testing.T) {
	var log []any
	var stop func()
	var next func() (int, bool)
	next, stop = greenlet.Pull(func(yield func(int) bool) {
		log = append(log, yield(1))
		stop()
		log = append(log, yield(2), yield(3))
		v, ok := next()
		log = append(log, v, ok)
	})
	v, ok := next()
	assert.Equal(t, []any{1, true}, []any{v, ok})
	for range 2 {
		v, ok = next()
		assert.Equal(t, []any{0, false}, []any{v, ok})
	}
	stop()
	assert.Equal(t, []any{true, false, false, 0, false}, log)
}

func TestYieldAfterTheEnd(t *testing.T) {
	for _, end := range []string{"next", "stop", "panic", "goexit", "thread"} {
		var late func(int) bool
		var late2 func(int, string) bool
		offMainThread(func() {
			next, stop := greenlet.Pull(func(yield func(int) bool) {
				late = yield
				yield(1)
				switch end {
				case "panic":
					panic("boom")
				case "goexit":
					runtime.Goexit()
				}
			})
			next2, stop2 := greenlet.Pull2(func(yield func(int, string) bool) {
				late2 = yield
				yield(1, "")
			})
			next()
			next2()
			if end == "thread" {
				return
			}
			assert.ErrorContains(t, recovered(func() { late(2) }).(error), "outside of its body")
			if end == "stop" {
				stop()
				stop2()
			}
			next2()
			defer func() { _ = recover() }()
			next()
		})
		if end == "thread" {
			waitFor(t, func() bool { return recovered(func() { late(3) }) == nil })
		}
		assert.False(t, late(3), end)
		assert.False(t, late2(3, ""), end)
	}
}

// What the documentation names as the way to use an iter.Pull beside greenlets.
func TestIterPullBesideGreenletsInsideOneRun(t *testing.T) {
	tree(t, func(*greenlet.Greenlet) {
		theirs, stopTheirs := iter.Pull(count(5))
		ours, stopOurs := greenlet.Pull(func(yield func(int) bool) {
			inner, stop := iter.Pull(count(5))
			defer stop()
			for v, ok := inner(); ok && yield(v); v, ok = inner() {
			}
		})
		for range 4 {
			a, _ := theirs()
			b, _ := ours()
			assert.Equal(t, a, b)
		}
		stopOurs()
		_, ok := theirs()
		assert.True(t, ok)
		stopTheirs()
	})
}

// The worker of an iterator's body may have run another greenlet before, to which a
// Switch of anybody goes by the short way.
func TestASwitchToAnIteratorsBodyOnAUsedWorker(t *testing.T) {
	tree(t, func(*greenlet.Greenlet) {
		value(t, nil)(greenlet.New(func(any) (any, error) { return nil, nil }).Switch(nil))
		var body *greenlet.Greenlet
		next, stop := greenlet.Pull(func(yield func(int) bool) {
			body = greenlet.Current()
			for i := 0; yield(i); i++ {
			}
		})
		defer stop()
		v, ok := next()
		assert.True(t, ok)
		assert.Zero(t, v)
		var answer error
		g := greenlet.New(func(any) (any, error) {
			_, answer = body.Switch(nil)
			return "ended", nil
		})
		value(t, "ended")(g.Switch(nil))
		assert.ErrorContains(t, answer, "it waits in a yield")
		v, ok = next()
		assert.True(t, ok)
		assert.Equal(t, 1, v)
	})
}

// A stop whose short switch is refused, since the goroutine is locked, ends its own iteration and no
// other one.
func TestAStopThatIsRefusedAtFirstStopsNoOther(t *testing.T) {
	onGoroutine(func() {
		greenlet.Current()
		one, stopOne := greenlet.Pull(count(9))
		other, stopOther := greenlet.Pull(count(9))
		one()
		other()
		runtime.LockOSThread()
		stopOne()
		runtime.UnlockOSThread()
		for i := range 3 {
			v, ok := other()
			assert.Equal(t, []any{i + 1, true}, []any{v, ok})
		}
		_, ok := one()
		assert.False(t, ok)
		stopOther()
	})
}

// A yield that other goroutines call while the body runs is refused, and changes nothing.
func TestAYieldOfAnotherGoroutine(t *testing.T) {
	var out atomic.Bool
	var late atomic.Pointer[func(int) bool]
	next, stop := greenlet.Pull(func(yield func(int) bool) {
		late.Store(&yield)
		for i := 1; yield(i); i++ {
		}
	})
	next()
	calls := make(chan int)
	go func() {
		n := 0
		for ; !out.Load(); n++ {
			err, _ := recovered(func() { (*late.Load())(-1) }).(error)
			assert.ErrorContains(t, err, "outside of its body")
			runtime.Gosched() // WebAssembly has one thread, and no preemption
		}
		calls <- n
	}()
	for i, begin := 2, time.Now(); time.Since(begin) < 50*time.Millisecond; i++ {
		v, ok := next()
		require.Equal(t, []any{i, true}, []any{v, ok})
		if i%100 == 0 {
			runtime.Gosched()
		}
	}
	out.Store(true)
	assert.NotZero(t, <-calls)
	stop()
}

// What another greenlet sends to the one that waits in a next, of which it has killed the body, is dropped, and does not
// come out of an end without a value, nor is it kept.
func TestWhatComesWhenTheBodyIsDeadIsDropped(t *testing.T) {
	tree(t, func(root *greenlet.Greenlet) {
		ends := func(send func(to *greenlet.Greenlet) (any, error)) {
			g := greenlet.New(func(any) (any, error) {
				me := greenlet.Current()
				next, _ := greenlet.Pull(func(func(int) bool) {
					body := greenlet.Current()
					_, _ = greenlet.New(func(any) (any, error) {
						assert.NoError(t, body.Kill())
						return send(me)
					}, greenlet.WithParent(root)).Switch(nil)
				})
				_, ok := next()
				assert.False(t, ok)
				return nil, nil
			})
			value(t, nil)(g.Switch(nil))
		}
		ends(func(to *greenlet.Greenlet) (any, error) { return to.Switch(42) })
	})
	tree(t, func(root *greenlet.Greenlet) {
		large := new([1 << 20]byte)
		left := weak.Make(large)
		c := greenlet.NewCoroutine(func(func(int) (int, error), int) error {
			body := greenlet.Current()
			_, _ = greenlet.New(func(any) (any, error) {
				assert.NoError(t, body.Kill())
				return large, nil
			}, greenlet.WithParent(root)).Switch(nil)
			return nil
		})
		_, ok, err := c.Resume(0)
		assert.False(t, ok)
		assert.NoError(t, err)
		large = nil
		runtime.GC()
		runtime.GC()
		assert.Nil(t, left.Value())
	})
}
