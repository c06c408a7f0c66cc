package greenlet_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-greenlet/greenlet"
	"github.com/go-greenlet/greenlet/internal/cgotest"
	"github.com/go-greenlet/greenlet/internal/fault"
)

// The tests in this package are named after the sentences of the documentation
// that they check. This file has Switch and Throw; other files have the rest.

var (
	errSome  = errors.New("some error")
	errOther = errors.New("other error")
)

// tree runs f as the root of a tree, and fails the test if anything of the tree
// dies hard.
func tree(t testing.TB, f func(root *greenlet.Greenlet)) {
	t.Helper()
	require.NoError(t, greenlet.Run(func(root *greenlet.Greenlet) error {
		f(root)
		return nil
	}))
}

// echo sends back what it gets, to whoever is its parent, for ever.
func echo(v any) (any, error) {
	for {
		var err error
		if v, err = greenlet.Current().Parent().Switch(v); err != nil {
			return nil, err
		}
	}
}

func returns(v any, err error) greenlet.Func {
	return func(any) (any, error) { return v, err }
}

func value(t testing.TB, want any) func(got any, err error) {
	t.Helper()
	return func(got any, err error) {
		t.Helper()
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
}

func fails(t testing.TB, want error) func(got any, err error) {
	t.Helper()
	return func(got any, err error) {
		t.Helper()
		require.ErrorIs(t, err, want)
		require.Nil(t, got)
	}
}

func TestSwitchPassesControlBackAndForth(t *testing.T) {
	tree(t, func(root *greenlet.Greenlet) {
		var list []int
		g := greenlet.New(func(any) (any, error) {
			list = append(list, 1)
			value(t, nil)(root.Switch(nil))
			list = append(list, 3)
			return nil, nil
		})
		list = append(list, 0)
		value(t, nil)(g.Switch(nil))
		list = append(list, 2)
		value(t, nil)(g.Switch(nil))
		list = append(list, 4)
		assert.Equal(t, []int{0, 1, 2, 3, 4}, list)
	})
}

func TestTwoChildren(t *testing.T) {
	tree(t, func(root *greenlet.Greenlet) {
		var list []int
		f := func(any) (any, error) {
			list = append(list, 1)
			_, err := root.Switch(nil)
			list = append(list, 1, 1)
			return nil, err
		}
		g, h := greenlet.New(f), greenlet.New(f)
		value(t, nil)(g.Switch(nil))
		assert.Len(t, list, 1)
		value(t, nil)(h.Switch(nil))
		assert.Len(t, list, 2)
		value(t, nil)(h.Switch(nil))
		assert.Len(t, list, 4)
		assert.True(t, h.Dead())
		value(t, nil)(g.Switch(nil))
		assert.Len(t, list, 6)
		assert.True(t, g.Dead())
	})
}

func TestAGreenletStartsAnother(t *testing.T) {
	tree(t, func(root *greenlet.Greenlet) {
		var list []string
		var f *greenlet.Greenlet
		g := greenlet.New(func(any) (any, error) {
			list = append(list, "a")
			f = greenlet.New(func(any) (any, error) {
				list = append(list, "b")
				return greenlet.Current().Parent().Switch(nil)
			})
			_, err := f.Switch(nil)
			list = append(list, "c")
			return nil, err
		})
		value(t, nil)(g.Switch(nil))
		assert.Equal(t, []string{"a", "b", "c"}, list)
		assert.Equal(t, greenlet.Suspended, f.State())
	})
}

// Any greenlet may switch to any other: here in a ring that no parent sees.
func TestSwitchIsSymmetric(t *testing.T) {
	tree(t, func(root *greenlet.Greenlet) {
		const n = 10
		ring := make([]*greenlet.Greenlet, n)
		var order []int
		for i := range ring {
			ring[i] = greenlet.New(func(v any) (any, error) {
				for {
					order = append(order, i)
					next := ring[(i+1)%n]
					if v.(int) == 0 {
						next = root
					}
					var err error
					if v, err = next.Switch(v.(int) - 1); err != nil {
						return nil, err
					}
				}
			})
		}
		value(t, -1)(ring[0].Switch(3*n - 1))
		want := []int{}
		for i := range 3 * n {
			want = append(want, i%n)
		}
		assert.Equal(t, want, order)
	})
}

func TestPendingTargetStartsWithTheValue(t *testing.T) {
	tree(t, func(*greenlet.Greenlet) {
		g := greenlet.New(func(v any) (any, error) { return v.(int) + 1, nil })
		value(t, 42)(g.Switch(41))
	})
}

func TestSuspendedTargetGoesOnWithTheValue(t *testing.T) {
	tree(t, func(root *greenlet.Greenlet) {
		g := greenlet.New(echo)
		for i := range 5 {
			value(t, i)(g.Switch(i))
		}
	})
}

func TestDeadTargetMeansItsParent(t *testing.T) {
	tree(t, func(root *greenlet.Greenlet) {
		g := greenlet.New(returns("end", nil))
		value(t, "end")(g.Switch(nil))
		value(t, nil)(g.Switch(nil))
		value(t, 25)(g.Switch(25))

		// As often as needed: two dead ones, then a living one.
		living := greenlet.New(echo)
		value(t, 1)(living.Switch(1))
		middle := greenlet.New(returns(nil, nil), greenlet.WithParent(living))
		value(t, nil)(middle.Switch(nil))
		below := greenlet.New(returns(nil, nil), greenlet.WithParent(middle))
		value(t, nil)(below.Switch(nil))
		value(t, "through two")(below.Switch("through two"))
		value(t, "again")(below.Switch("again"))
	})
}

func TestNilIsAValue(t *testing.T) {
	tree(t, func(root *greenlet.Greenlet) {
		g := greenlet.New(echo)
		value(t, nil)(g.Switch(nil))
		value(t, nil)(g.Switch(nil))
		assert.Equal(t, greenlet.Suspended, g.State())
	})
}

func TestSwitchToTheCurrentGreenletReturnsTheValue(t *testing.T) {
	tree(t, func(root *greenlet.Greenlet) {
		value(t, "me")(root.Switch("me"))
		g := greenlet.New(func(any) (any, error) { return greenlet.Current().Switch("self") })
		value(t, "self")(g.Switch(nil))
		// ... or to a dead one whose first living ancestor is the current one.
		value(t, "dead")(g.Switch("dead"))
	})
}

func TestAResultStartsAPendingParent(t *testing.T) {
	tree(t, func(root *greenlet.Greenlet) {
		p := greenlet.New(func(v any) (any, error) { return []any{v, 24}, nil })
		c := greenlet.New(returns(42, nil), greenlet.WithParent(p))
		value(t, []any{42, 24})(c.Switch(nil))
		assert.True(t, p.Dead())
	})
}

func TestAResultGoesToTheNextLivingAncestor(t *testing.T) {
	tree(t, func(root *greenlet.Greenlet) {
		p := greenlet.New(returns(nil, nil))
		value(t, nil)(p.Switch(nil))
		c := greenlet.New(returns("over p", nil), greenlet.WithParent(p))
		value(t, "over p")(c.Switch(nil))
	})
}

func TestADeadChildCanGetAPendingParent(t *testing.T) {
	tree(t, func(root *greenlet.Greenlet) {
		var seen []int
		c := greenlet.New(func(any) (any, error) { seen = append(seen, 42); return nil, nil })
		value(t, nil)(c.Switch(nil))
		p := greenlet.New(func(any) (any, error) { seen = append(seen, 24); return nil, nil })
		require.NoError(t, c.SetParent(p))
		value(t, nil)(c.Switch(nil))
		assert.Equal(t, []int{42, 24}, seen)
	})
}

func TestAnErrorComesOutOfTheParentsSwitch(t *testing.T) {
	tree(t, func(root *greenlet.Greenlet) {
		g := greenlet.New(returns("lost", errSome))
		fails(t, errSome)(g.Switch(nil))
		assert.True(t, g.Dead())
	})
}

func TestAnErrorGoesToTheParentAndNotToTheCaller(t *testing.T) {
	tree(t, func(root *greenlet.Greenlet) {
		var seen []error
		f := func(any) (any, error) {
			_, err := root.Switch(nil)
			seen = append(seen, err)
			return nil, err
		}
		g1, g2 := greenlet.New(f), greenlet.New(func(any) (any, error) {
			_, err := root.Switch(nil)
			require.NoError(t, err)
			return nil, errSome
		})
		value(t, nil)(g1.Switch(nil))
		value(t, nil)(g2.Switch(nil))
		require.NoError(t, g2.SetParent(g1))
		fails(t, errSome)(g2.Switch(nil))
		assert.Equal(t, []error{errSome}, seen)
		assert.True(t, g1.Dead())
		value(t, nil)(g2.Switch(nil))
		value(t, 25)(g2.Switch(25))
		assert.Equal(t, []error{errSome}, seen)
	})
}

func TestAnErrorKillsAPendingParent(t *testing.T) {
	tree(t, func(root *greenlet.Greenlet) {
		p := greenlet.New(func(any) (any, error) { t.Error("p must not run"); return nil, nil })
		c := greenlet.New(returns(nil, errSome), greenlet.WithParent(p))
		fails(t, errSome)(c.Switch(nil))
		assert.True(t, p.Dead())
	})
}

func TestErrExitGoesUpAsAValue(t *testing.T) {
	wrapped := fmt.Errorf("wrapped: %w", greenlet.ErrExit)
	for _, exit := range []error{greenlet.ErrExit, wrapped} {
		tree(t, func(root *greenlet.Greenlet) {
			value(t, exit)(greenlet.New(returns("lost", exit)).Switch(nil))

			// A pending parent is started with it.
			p := greenlet.New(func(v any) (any, error) { return []any{"p", v}, nil })
			c := greenlet.New(returns(nil, exit), greenlet.WithParent(p))
			value(t, []any{"p", exit})(c.Switch(nil))
		})
	}
}

// The case that kills the process in greenlet for Python.
func TestASuspendedChildEndedByErrExitStartsItsPendingParent(t *testing.T) {
	tree(t, func(root *greenlet.Greenlet) {
		p := greenlet.New(func(v any) (any, error) { return []any{"p", v}, nil })
		c := greenlet.New(func(any) (any, error) { return root.Switch(nil) }, greenlet.WithParent(p))
		value(t, nil)(c.Switch(nil))
		value(t, []any{"p", greenlet.ErrExit})(c.Throw(nil))
		assert.True(t, p.Dead())
	})
}

func TestIfDeliveryFailsTheNewErrorGoesToTheNextAncestor(t *testing.T) {
	tree(t, func(root *greenlet.Greenlet) {
		norun := greenlet.New(nil)
		c := greenlet.New(returns(1, nil), greenlet.WithParent(norun))
		fails(t, greenlet.ErrNoRun)(c.Switch(nil))
		assert.Equal(t, greenlet.Pending, norun.State())

		// An error that it replaces is not lost.
		c = greenlet.New(returns(nil, errSome), greenlet.WithParent(norun))
		_, err := c.Switch(nil)
		assert.ErrorIs(t, err, greenlet.ErrNoRun)
		assert.ErrorIs(t, err, errSome)

		// The next ancestor is a living one in between.
		between := greenlet.New(func(any) (any, error) {
			_, err := root.Switch(nil)
			return err, nil
		})
		value(t, nil)(between.Switch(nil))
		norun = greenlet.New(nil, greenlet.WithParent(between))
		c = greenlet.New(returns(1, nil), greenlet.WithParent(norun))
		v, err := c.Switch(nil)
		require.NoError(t, err)
		assert.ErrorIs(t, v.(error), greenlet.ErrNoRun)
	})
}

func TestNewNilReturnsErrNoRunAndStaysPending(t *testing.T) {
	tree(t, func(root *greenlet.Greenlet) {
		g := greenlet.New(nil)
		fails(t, greenlet.ErrNoRun)(g.Switch(1))
		fails(t, greenlet.ErrNoRun)(g.Throw(errSome))
		assert.Equal(t, greenlet.Pending, g.State())

		// A dead child that leads there says so as often as one asks.
		c := greenlet.New(returns(nil, nil), greenlet.WithParent(g))
		fails(t, greenlet.ErrNoRun)(c.Switch(nil))
		fails(t, greenlet.ErrNoRun)(c.Switch(nil))
	})
}

func TestArgumentsAndResultsAreNotRetained(t *testing.T) {
	tree(t, func(root *greenlet.Greenlet) {
		var gone sync.WaitGroup
		big := func() any {
			p := new([1 << 16]byte)
			gone.Add(1)
			runtime.AddCleanup(p, func(int) { gone.Done() }, 0)
			return p
		}
		g := greenlet.New(func(any) (any, error) {
			for {
				if _, err := root.Switch(big()); err != nil {
					return nil, err
				}
			}
		})
		for range 3 {
			_, err := g.Switch(big())
			require.NoError(t, err)
		}
		h := greenlet.New(func(any) (any, error) { return root.Switch(nil) })
		_, err := h.Switch(big())
		require.NoError(t, err)
		done := make(chan struct{})
		go func() { gone.Wait(); close(done) }()
		collected(t, done)
	})
}

// collected runs the collector until done is closed.
func collected(t testing.TB, done <-chan struct{}) {
	t.Helper()
	for range 1000 {
		runtime.GC()
		select {
		case <-done:
			return
		default:
			runtime.Gosched()
		}
	}
	t.Fatal("the collector did not find it")
}

// ---- Throw

func TestThrowIntoASuspendedGreenlet(t *testing.T) {
	tree(t, func(root *greenlet.Greenlet) {
		body := func(any) (any, error) {
			_, err := root.Switch("ok")
			if errors.Is(err, errSome) {
				_, err = root.Switch("handled")
				return nil, err
			}
			return nil, errOther
		}
		g := greenlet.New(body)
		value(t, "ok")(g.Switch(nil))
		value(t, "handled")(g.Throw(fmt.Errorf("wrapped: %w", errSome)))
		value(t, nil)(g.Switch(nil))
		assert.True(t, g.Dead())
	})
}

func TestThrowNilThrowsErrExit(t *testing.T) {
	tree(t, func(root *greenlet.Greenlet) {
		g := greenlet.New(func(any) (any, error) {
			if _, err := root.Switch("ok"); err != nil {
				return nil, err
			}
			return root.Switch("fail")
		})
		value(t, "ok")(g.Switch(nil))
		value(t, greenlet.ErrExit)(g.Throw(nil))
		assert.True(t, g.Dead())
		value(t, greenlet.ErrExit)(g.Throw(nil))
	})
}

func TestThrowIntoAPendingGreenletEndsIt(t *testing.T) {
	tree(t, func(root *greenlet.Greenlet) {
		never := func(any) (any, error) { t.Error("must not run"); return nil, nil }
		g := greenlet.New(never)
		fails(t, errSome)(g.Throw(errSome))
		assert.True(t, g.Dead())

		g = greenlet.New(never)
		value(t, greenlet.ErrExit)(g.Throw(greenlet.ErrExit))
		assert.True(t, g.Dead())
	})
}

func TestThrowAtADeadGreenletGoesToItsFirstLivingAncestor(t *testing.T) {
	tree(t, func(root *greenlet.Greenlet) {
		g := greenlet.New(returns(nil, nil))
		value(t, nil)(g.Switch(nil))
		fails(t, errSome)(g.Throw(errSome))
		value(t, greenlet.ErrExit)(g.Throw(greenlet.ErrExit))
	})
}

func TestThrowAtTheCurrentGreenletReturnsAtOnce(t *testing.T) {
	tree(t, func(root *greenlet.Greenlet) {
		fails(t, errSome)(root.Throw(errSome))
		fails(t, greenlet.ErrExit)(root.Throw(nil))
		g := greenlet.New(func(any) (any, error) {
			_, err := greenlet.Current().Throw(errSome)
			return err, nil
		})
		value(t, errSome)(g.Switch(nil))
	})
}

func TestThrownErrorsGoToTheOriginalParent(t *testing.T) {
	tree(t, func(root *greenlet.Greenlet) {
		f1 := func(any) (any, error) {
			_, err := root.Switch("f1 ready to catch")
			if errors.Is(err, errSome) {
				return "caught", nil
			}
			return "normal exit", nil
		}
		f2 := func(any) (any, error) { return root.Switch("from f2") }

		g1 := greenlet.New(f1)
		g2 := greenlet.New(f2, greenlet.WithParent(g1))
		fails(t, errSome)(g2.Throw(errSome))
		assert.True(t, g1.Dead())
		assert.True(t, g2.Dead())

		g1 = greenlet.New(f1)
		g2 = greenlet.New(f2, greenlet.WithParent(g1))
		value(t, "f1 ready to catch")(g1.Switch(nil))
		value(t, "caught")(g2.Throw(errSome))
		assert.True(t, g1.Dead())
		assert.True(t, g2.Dead())

		g1 = greenlet.New(f1)
		g2 = greenlet.New(f2, greenlet.WithParent(g1))
		value(t, "f1 ready to catch")(g1.Switch(nil))
		value(t, "from f2")(g2.Switch(nil))
		value(t, "caught")(g2.Throw(errSome))
		assert.True(t, g1.Dead())
		assert.True(t, g2.Dead())
	})
}

func TestThrowIntoARoot(t *testing.T) {
	tree(t, func(root *greenlet.Greenlet) {
		g := greenlet.New(func(any) (any, error) { return root.Throw(io.EOF) })
		fails(t, io.EOF)(g.Switch(nil))
		assert.Equal(t, greenlet.Suspended, g.State())
	})
}

// ---- states and identity

func TestStates(t *testing.T) {
	tree(t, func(root *greenlet.Greenlet) {
		var g *greenlet.Greenlet
		check := func(g *greenlet.Greenlet, s greenlet.State, dead, active bool) {
			t.Helper()
			assert.Equal(t, s, g.State())
			assert.Equal(t, dead, g.Dead())
			assert.Equal(t, active, g.Active())
			assert.Contains(t, g.String(), s.String())
		}
		g = greenlet.New(func(any) (any, error) {
			check(g, greenlet.Running, false, true)
			check(root, greenlet.Suspended, false, true)
			return root.Switch(nil)
		})
		check(g, greenlet.Pending, false, false)
		value(t, nil)(g.Switch(nil))
		check(g, greenlet.Suspended, false, true)
		check(root, greenlet.Running, false, true)
		value(t, nil)(g.Switch(nil))
		check(g, greenlet.Dead, true, false)
		assert.Equal(t, "State(7)", greenlet.State(7).String())
	})
}

func TestIdentity(t *testing.T) {
	tree(t, func(root *greenlet.Greenlet) {
		assert.Same(t, root, greenlet.Current())
		assert.True(t, root.IsRoot())
		assert.Nil(t, root.Parent())
		assert.Equal(t, "root", root.Name())

		var inside *greenlet.Greenlet
		g := greenlet.New(func(any) (any, error) {
			inside = greenlet.Current()
			return root.Switch(nil)
		}, greenlet.WithName("worker"))
		assert.Same(t, root, g.Parent())
		assert.False(t, g.IsRoot())
		assert.Equal(t, "worker", g.Name())
		value(t, nil)(g.Switch(nil))
		assert.Same(t, g, inside)
		assert.NotZero(t, g.ID())
		assert.NotEqual(t, root.ID(), g.ID())
		assert.Contains(t, g.String(), fmt.Sprintf("worker/%d (suspended, thread ", g.ID()))
		assert.Equal(t, g.String(), fmt.Sprint(g))
	})
}

func TestANilOrZeroGreenletIsAnErrorAndNoCrash(t *testing.T) {
	for _, g := range []*greenlet.Greenlet{nil, {}} {
		_, err := g.Switch(1)
		assert.ErrorContains(t, err, "was not made by New")
		_, err = g.Throw(errSome)
		assert.ErrorContains(t, err, "was not made by New")
		assert.ErrorContains(t, g.Kill(), "was not made by New")
		assert.ErrorContains(t, g.SetParent(greenlet.New(nil)), "was not made by New")
		assert.ErrorContains(t, greenlet.New(nil).SetParent(g), "parent is nil")
		assert.ErrorContains(t, g.SetContext(context.Background()), "was not made by New")
		assert.True(t, g.Dead())
		assert.False(t, g.Active())
		assert.False(t, g.IsRoot())
		assert.Nil(t, g.Parent())
		assert.Nil(t, g.Stack())
		assert.Zero(t, g.ID())
		assert.Equal(t, "", g.Name())
		assert.Equal(t, "greenlet(nil)", g.String())
		assert.Equal(t, context.Background(), g.Context())
		assert.Nil(t, greenlet.New(nil, greenlet.WithParent(g), nil).Parent())
	}
}

func TestContext(t *testing.T) {
	type key struct{}
	tree(t, func(root *greenlet.Greenlet) {
		ctx := context.WithValue(context.Background(), key{}, 1)
		g := greenlet.New(func(any) (any, error) {
			me := greenlet.Current()
			assert.Equal(t, 1, me.Context().Value(key{}))
			value(t, nil)(root.Switch(nil))
			assert.Equal(t, 2, me.Context().Value(key{}))
			require.NoError(t, me.SetContext(context.Background()))
			return nil, nil
		}, greenlet.WithContext(ctx))
		var none context.Context
		assert.Equal(t, context.Background(), greenlet.New(nil, greenlet.WithContext(none)).Context())
		value(t, nil)(g.Switch(nil))
		require.NoError(t, g.SetContext(context.WithValue(ctx, key{}, 2)))
		value(t, nil)(g.Switch(nil))
		assert.Nil(t, g.Context().Value(key{}))
		assert.ErrorContains(t, g.SetContext(none), "context is nil")
		// Another goroutine may set it while the greenlet does not run.
		done := make(chan error)
		go func() { done <- g.SetContext(ctx) }()
		require.NoError(t, <-done)
		go func() { done <- root.SetContext(ctx) }()
		require.ErrorIs(t, <-done, greenlet.ErrWrongThread)
	})
}

// The stack is that of a suspended greenlet; its C calls show as boundaries.
func TestStack(t *testing.T) {
	tree(t, func(root *greenlet.Greenlet) {
		g := greenlet.New(outerFrame)
		assert.Nil(t, g.Stack())
		value(t, nil)(g.Switch(nil))
		var names []string
		for _, f := range g.Stack() {
			names = append(names, f.Function[strings.LastIndexByte(f.Function, '.')+1:])
		}
		assert.Equal(t, []string{"Switch", "innerFrame", "outerFrame"}, names)
		value(t, 7)(g.Switch(7))
		assert.Nil(t, g.Stack())
		assert.Contains(t, root.Stack()[0].Function, "TestStack", "one that runs, seen from itself")
	})
}

//go:noinline
func outerFrame(any) (any, error) { v, err := innerFrame(); return v, err }

//go:noinline
func innerFrame() (any, error) { v, err := greenlet.Current().Parent().Switch(nil); return v, err }

// ---- errors

func TestErrorsSayWhoAndWhere(t *testing.T) {
	tree(t, func(root *greenlet.Greenlet) {
		g := greenlet.New(nil, greenlet.WithName("empty"))
		_, err := g.Switch(1)
		assert.ErrorIs(t, err, greenlet.ErrNoRun)
		assert.ErrorContains(t, err, "greenlet: Switch on empty/")
		assert.ErrorContains(t, err, "(pending)")
		assert.ErrorContains(t, err, "from root/")
	})
}

// What an error says is of the operation that was called, and so.
func TestErrorsAreOfTheirOperation(t *testing.T) {
	var ended *greenlet.Greenlet
	tree(t, func(root *greenlet.Greenlet) {
		g := suspended(t, quietly)
		ended = g
		c := greenlet.NewCoroutine(func(yield func(int) (int, error), _ int) error {
			_, _ = yield(1)
			_, err := yield(2) // here it goes on
			return err
		})
		_, _, err := c.Resume(0)
		require.NoError(t, err)

		errs := make(chan error)
		go func() { errs <- g.Kill() }()
		err = <-errs
		require.ErrorIs(t, err, greenlet.ErrWrongThread)
		assert.ErrorContains(t, err, "Kill on ")
		assert.NotContains(t, err.Error(), "switch")
		go func() { errs <- c.Stop() }()
		err = <-errs
		require.ErrorIs(t, err, greenlet.ErrWrongThread)
		assert.ErrorContains(t, err, "Stop on ")
		assert.NotContains(t, err.Error(), "Kill")

		// One that does not end: where it is.
		err = c.Stop()
		assert.ErrorContains(t, err, "Stop on ")
		assert.ErrorContains(t, err, "lives; it waits at ")
		assert.Regexp(t, `greenlet_test.go:\d+`, err.Error())
		require.NoError(t, c.Stop())

		if !strings.HasPrefix(greenlet.Runtime(), "portable") {
			return // a greenlet needs no C stack to start
		}
		// The size of a stack that is the default.
		reset := fault.Set(fault.Malloc, 1, 100)
		for err = nil; err == nil; { // until all idle ones of this thread are in use
			_, err = greenlet.New(func(any) (v any, err error) {
				cgotest.Call(func() { v, err = root.Switch(nil) })
				return v, err
			}).Switch(nil)
		}
		reset()
		assert.ErrorContains(t, err, "cannot make a stack of 262144 bytes")
	})
	// Its Run is over, and its thread lives.
	_, err := ended.Switch(nil)
	require.ErrorIs(t, err, greenlet.ErrThreadExited)
	assert.ErrorContains(t, err, "its Run has returned")
	assert.NotContains(t, err.Error(), "exited")

	// What Run kills.
	err = greenlet.Run(func(root *greenlet.Greenlet) error {
		g := greenlet.New(func(any) (any, error) {
			_, _ = root.Switch(nil)
			return root.Switch(nil)
		})
		defer runtime.KeepAlive(g)
		_, err := g.Switch(nil)
		return err
	})
	assert.ErrorContains(t, err, "the end of Run on ")
	assert.ErrorContains(t, err, "it waits at ")
}

func TestAPanicErrorUnwrapsToItsValue(t *testing.T) {
	assert.ErrorIs(t, &greenlet.PanicError{Value: io.EOF}, io.EOF)
	assert.NoError(t, errors.Unwrap(&greenlet.PanicError{Value: 1}))
	assert.ErrorContains(t, &greenlet.PanicError{Value: "boom", Stack: []byte("here")}, "boom")
}
