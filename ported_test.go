package greenlet_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sort"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-greenlet/greenlet"
)

// Behaviours that the tests of Python's greenlet check and that have no better home
// here. docs/greenlet-tests.md says which is which.

// seeing switches to its parent, notes the error that it gets there, and dies of it.
func seeing(seen *[]error) greenlet.Func {
	return func(any) (any, error) {
		_, err := greenlet.Current().Parent().Switch(nil)
		*seen = append(*seen, err)
		return nil, err
	}
}

// test_exception: an error falls from a re-parented greenlet into its new parent,
// and from there to the root.
func TestAnErrorFallsThroughANewParent(t *testing.T) {
	tree(t, func(root *greenlet.Greenlet) {
		var seen []error
		g1 := greenlet.New(seeing(&seen))
		g2 := greenlet.New(func(any) (any, error) {
			_, _ = root.Switch(nil)
			return nil, errSome
		})
		value(t, nil)(g1.Switch(nil))
		value(t, nil)(g2.Switch(nil))
		require.NoError(t, g2.SetParent(g1))
		assert.Empty(t, seen)
		fails(t, errSome)(g2.Switch(nil))
		assert.Equal(t, []error{errSome}, seen)
		value(t, nil)(g2.Switch(nil)) // both are dead: the root
		value(t, 25)(g2.Switch(25))
		assert.Equal(t, []error{errSome}, seen)
	})
}

// test_send_exception: a greenlet with no other purpose than to raise in its parent.
func TestAHelperRaisesInItsParent(t *testing.T) {
	tree(t, func(root *greenlet.Greenlet) {
		var seen []error
		g1 := greenlet.New(seeing(&seen))
		value(t, nil)(g1.Switch(nil))
		helper := greenlet.New(returns(nil, errOther), greenlet.WithParent(g1))
		fails(t, errOther)(helper.Switch(nil))
		assert.Equal(t, []error{errOther}, seen)
	})
}

// test_dealloc_other_thread: a greenlet that is forgotten on another thread ends on
// its own one, at the next call there.
func TestAGreenletForgottenElsewhereEndsOnItsOwnThread(t *testing.T) {
	tree(t, func(root *greenlet.Greenlet) {
		killed := make(chan bool, 1)
		passed := make(chan *greenlet.Greenlet)
		done := make(chan struct{})
		go func() { // holds it last
			g := <-passed
			assert.Equal(t, greenlet.Suspended, g.State())
			close(done)
		}()
		func() {
			g := greenlet.New(func(any) (any, error) {
				_, err := root.Switch(nil)
				killed <- errors.Is(err, greenlet.ErrExit) && currentRoot() == root
				return nil, err
			})
			value(t, nil)(g.Switch(nil))
			passed <- g
		}()
		<-done
		waitFor(t, func() bool {
			value(t, nil)(root.Switch(nil))
			return len(killed) > 0
		})
		assert.True(t, <-killed, "on its own thread, by ErrExit")
	})
}

// currentRoot is the root of the calling goroutine's tree.
func currentRoot() *greenlet.Greenlet {
	g := greenlet.Current()
	for !g.IsRoot() {
		g = g.Parent()
	}
	return g
}

// test_falling_off_end_switches_to_unstarted_parent_raises_error: a result starts a
// pending parent, whose failure comes out where the child was switched to.
func TestAResultStartsAParentThatFails(t *testing.T) {
	tree(t, func(root *greenlet.Greenlet) {
		p := greenlet.New(func(v any) (any, error) { return nil, fmt.Errorf("cannot use %v: %w", v, errSome) })
		_, err := greenlet.New(returns(42, nil), greenlet.WithParent(p)).Switch(nil)
		require.ErrorIs(t, err, errSome)
		require.ErrorContains(t, err, "cannot use 42")
	})
}

// test_switching_holding_critical_section_no_crash: each of two greenlets is stopped
// in the middle of a sort, holds a mutex, and blocks in the system besides.
func TestSwitchesInTheMiddleOfSortsUnderAMutex(t *testing.T) {
	file := filepath.Join(t.TempDir(), "numbers")
	require.NoError(t, os.WriteFile(file, []byte("3 1 2"), 0o600))
	tree(t, func(root *greenlet.Greenlet) {
		var mu [2]sync.Mutex
		var g [2]*greenlet.Greenlet
		sorted := [2][]int{{5, 3, 9, 1, 7}, {2, 8, 4, 6, 0}}
		for i := range g {
			g[i] = greenlet.New(func(any) (any, error) {
				mu[i].Lock()
				defer mu[i].Unlock()
				sort.Slice(sorted[i], func(a, b int) bool {
					_, err := root.Switch(i)
					assert.NoError(t, err)
					text, err := os.ReadFile(file)
					assert.NoError(t, err)
					assert.Equal(t, "3 1 2", string(text))
					return sorted[i][a] < sorted[i][b]
				})
				return nil, nil
			})
		}
		for !g[0].Dead() || !g[1].Dead() {
			for i := range g {
				if !g[i].Dead() {
					_, err := g[i].Switch(nil)
					require.NoError(t, err)
					assert.Equal(t, g[i].Dead(), mu[i].TryLock())
				}
			}
			runtime.GC()
		}
		assert.Equal(t, [2][]int{{1, 3, 5, 7, 9}, {0, 2, 4, 6, 8}}, sorted)
	})
}

// test_reentrant_switch_two_greenlets: the tracer switches to another greenlet while
// a switch is on its way back.
func TestATracerThatSwitchesOnTheWayBack(t *testing.T) {
	tree(t, func(root *greenlet.Greenlet) {
		var log []string
		body := func(name string) greenlet.Func {
			return func(any) (any, error) {
				log = append(log, "in "+name)
				_, err := root.Switch(name)
				log = append(log, "end of "+name)
				return name + " done", err
			}
		}
		g1, g2 := greenlet.New(body("g1")), greenlet.New(body("g2"))
		greenlet.SetTrace(func(_ greenlet.Event, origin, target *greenlet.Greenlet) {
			if origin == g1 && target == root {
				value(t, "g2")(g2.Switch(nil))
			}
		})
		value(t, "g1")(g1.Switch(nil))
		greenlet.SetTrace(nil)
		value(t, "g1 done")(g1.Switch(nil))
		value(t, "g2 done")(g2.Switch(nil))
		assert.Equal(t, []string{"in g1", "in g2", "end of g1", "end of g2"}, log)
	})
}

// A tracer that calls runtime.Goexit ends the greenlet that it was called on like
// any Goexit, and is removed.
func TestATracerThatCallsGoexit(t *testing.T) {
	done := make(chan greenlet.Tracer, 1)
	exited := make(chan error, 1)
	go func() {
		exited <- greenlet.Run(func(root *greenlet.Greenlet) error {
			defer func() { done <- greenlet.GetTrace() }()
			greenlet.SetTrace(func(greenlet.Event, *greenlet.Greenlet, *greenlet.Greenlet) { runtime.Goexit() })
			_, err := greenlet.New(echo).Switch(1)
			return fmt.Errorf("went on after a Goexit: %w", err)
		})
	}()
	assert.Nil(t, <-done)
	assert.Empty(t, exited)
}

// rogue is an error that does things when it is asked what it is.
type rogue struct{ is func() bool }

func (rogue) Error() string     { return "rogue" }
func (r rogue) Is(_ error) bool { return r.is() }

// An error's Is method runs while the error travels. One that panics is a panic of
// the body that returned it; one that switches just switches.
func TestErrorsWhoseIsMethodMisbehaves(t *testing.T) {
	tree(t, func(root *greenlet.Greenlet) {
		g := greenlet.New(returns(nil, rogue{func() bool { panic(errSome) }}))
		func() {
			defer func() {
				r, ok := recover().(*greenlet.PanicError)
				require.True(t, ok)
				assert.Equal(t, errSome, r.Value)
			}()
			_, _ = g.Switch(nil)
		}()
		assert.True(t, g.Dead())

		asked := 0
		other := greenlet.New(echo)
		me := greenlet.New(returns(nil, rogue{func() bool {
			asked++
			if other.State() != greenlet.Pending {
				return false
			}
			v, err := other.Switch("from Is") // comes back to the root, its parent
			return err == nil && v == nil
		}}))
		value(t, "from Is")(me.Switch(nil))
		assert.Equal(t, greenlet.Suspended, me.State(), "in the middle of its death")
		_, err := me.Switch("go on")
		require.ErrorContains(t, err, "rogue")
		assert.True(t, me.Dead())
		assert.Positive(t, asked)
		require.NoError(t, other.Kill())
	})
}

// A body that locks and unlocks its goroutine does not take the tree's thread away.
func TestABodyMayLockItsThread(t *testing.T) {
	tree(t, func(root *greenlet.Greenlet) {
		g := greenlet.New(func(any) (any, error) {
			runtime.LockOSThread()
			value(t, nil)(root.Switch(nil))
			runtime.UnlockOSThread()
			value(t, nil)(root.Switch(nil))
			runtime.LockOSThread() // and never unlocks
			return nil, nil
		})
		for range 3 {
			value(t, nil)(g.Switch(nil))
		}
		for range 200 { // its worker is used again
			value(t, 1)(greenlet.New(returns(1, nil)).Switch(nil))
		}
	})
}

// A chain of 10,000 parents: a death goes all the way up.
func TestALongChainOfParents(t *testing.T) {
	tree(t, func(root *greenlet.Greenlet) {
		const n = 10_000
		chain := []*greenlet.Greenlet{root}
		for range n {
			chain = append(chain, greenlet.New(returns(nil, nil), greenlet.WithParent(chain[len(chain)-1])))
		}
		last := chain[n]
		require.ErrorIs(t, chain[1].SetParent(last), greenlet.ErrCyclicParent)
		fails(t, errSome)(last.Throw(errSome)) // kills each of them
		for _, g := range chain[1:] {
			require.True(t, g.Dead())
		}
		value(t, 7)(last.Switch(7))
	})
}

// ---- generators made of greenlets, as in greenlet's test_generator*.py

// genlet is a greenlet that its consumer resumes, and that yields from any depth.
type genlet struct {
	g       *greenlet.Greenlet
	yielder *greenlet.Greenlet // who is to go on next: g, or one inside of it
}

func newGenlet(body func(self *genlet)) *genlet {
	self := &genlet{}
	self.g = greenlet.New(func(any) (_ any, err error) {
		defer func() {
			if r := recover(); r != nil {
				err = r.(error) // out of yield, from any depth
			}
		}()
		body(self)
		return nil, nil
	})
	self.yielder = self.g
	return self
}

func (s *genlet) yield(v any) {
	s.yielder = greenlet.Current()
	if _, err := s.g.Parent().Switch(v); err != nil {
		panic(err)
	}
}

// all gives what the genlet yields: its parent is whoever asks.
func (s *genlet) all(yield func(any) bool) {
	for {
		if err := s.g.SetParent(greenlet.Current()); err != nil {
			panic(err)
		}
		v, err := s.yielder.Switch(nil)
		if err != nil {
			panic(err)
		}
		if s.g.Dead() || !yield(v) {
			return
		}
	}
}

// test_generator
func TestAGeneratorOfAGreenlet(t *testing.T) {
	tree(t, func(*greenlet.Greenlet) {
		var seen []int
		for range 3 {
			g := newGenlet(func(self *genlet) {
				for i := range 5 {
					seen = append(seen, i)
					self.yield(i)
				}
			})
			for v := range g.all {
				seen = append(seen, v.(int))
			}
		}
		once := []int{0, 0, 1, 1, 2, 2, 3, 3, 4, 4}
		assert.Equal(t, slices.Concat(once, once, once), seen)
	})
}

// test_layered_genlets: the inner one yields to two levels in turn.
func TestLayeredGenerators(t *testing.T) {
	tree(t, func(*greenlet.Greenlet) {
		var seen []any
		var outer *genlet
		outer = newGenlet(func(*genlet) {
			inner := newGenlet(func(self *genlet) {
				for i := 1; i < 5; i++ {
					self.yield(i)
					outer.yield(i * i) // past the one that asks
				}
			})
			for v := range inner.all {
				seen = append(seen, v)
			}
		})
		for v := range outer.all {
			seen = append(seen, v)
		}
		assert.Equal(t, []any{1, 1, 2, 4, 3, 9, 4, 16}, seen)
	})
}

func perms(list []int) *genlet {
	return newGenlet(func(self *genlet) {
		if len(list) <= 1 {
			self.yield(slices.Clone(list))
			return
		}
		for i, first := range list {
			rest := slices.Delete(slices.Clone(list), i, i+1)
			for p := range perms(rest).all {
				self.yield(append([]int{first}, p.([]int)...))
			}
		}
	})
}

// test_permutations, two of them in turn
func TestGeneratorsOfPermutations(t *testing.T) {
	tree(t, func(*greenlet.Greenlet) {
		var all [][]int
		for p := range perms([]int{0, 1, 2, 3}).all {
			all = append(all, p.([]int))
		}
		require.Len(t, all, 24)
		assert.True(t, slices.IsSortedFunc(all, slices.Compare[[]int]))

		var pairs []string
		short := perms([]int{0, 1, 2})
		for p := range perms([]int{0, 1, 2, 3}).all {
			var q any
			for q = range short.all {
				break
			}
			if short.g.Dead() {
				break
			}
			pairs = append(pairs, fmt.Sprint(p, q))
		}
		assert.Equal(t, []string{
			"[0 1 2 3] [0 1 2]", "[0 1 3 2] [0 2 1]", "[0 2 1 3] [1 0 2]",
			"[0 2 3 1] [1 2 0]", "[0 3 1 2] [2 0 1]", "[0 3 2 1] [2 1 0]",
		}, pairs)
	})
}

// test_nested_genlets
func TestNestedGenerators(t *testing.T) {
	var a func(n int) *genlet
	a = func(n int) *genlet {
		return newGenlet(func(self *genlet) {
			if n > 1 {
				for v := range a(n - 1).all {
					self.yield(v)
				}
			}
			self.yield(n)
		})
	}
	tree(t, func(*greenlet.Greenlet) {
		var seen []any
		for v := range a(5).all {
			seen = append(seen, v)
		}
		assert.Equal(t, []any{1, 2, 3, 4, 5}, seen)
	})
}

// ---- contexts, as in greenlet's test_contextvars.py

// Four greenlets count in what their context says, twice each. With a context each,
// every count is 2; with one that they share and replace, they see each other's.
func TestContextsAreSharedOrNot(t *testing.T) {
	type key struct{}
	with := func(i int) context.Context { return context.WithValue(context.Background(), key{}, i) }
	for _, shared := range []bool{false, true} {
		t.Run(fmt.Sprintf("shared=%v", shared), func(t *testing.T) {
			tree(t, func(root *greenlet.Greenlet) {
				counts := map[int]int{}
				owner := greenlet.Current // whose context counts
				if shared {
					owner = func() *greenlet.Greenlet { return root }
				}
				count := func() { counts[owner().Context().Value(key{}).(int)]++ }
				require.NoError(t, root.SetContext(with(0)))
				var all []*greenlet.Greenlet
				for i := 1; i <= 4; i++ {
					all = append(all, greenlet.New(func(any) (any, error) {
						if err := owner().SetContext(with(i)); err != nil {
							return nil, err
						}
						for range 2 {
							count()
							if _, err := root.Switch(nil); err != nil {
								return nil, err
							}
						}
						return nil, nil
					}))
				}
				for range 2 {
					count()
					for _, g := range all {
						value(t, nil)(g.Switch(nil))
					}
				}
				want := map[int]int{0: 2, 1: 2, 2: 2, 3: 2, 4: 2}
				if shared {
					want = map[int]int{0: 1, 1: 1, 2: 1, 3: 1, 4: 6}
				}
				assert.Equal(t, want, counts)
			})
		})
	}
}

// ---- the end of the process, as in greenlet's test_interpreter_shutdown.py

// Whatever is suspended, the process ends as it was told to, and nothing of a
// greenlet runs at its end.
func TestExitStatusWithSuspendedGreenlets(t *testing.T) {
	var held []*greenlet.Greenlet // or the collector would have them killed
	hold := func(run greenlet.Func) *greenlet.Greenlet {
		held = append(held, greenlet.New(run))
		return held[len(held)-1]
	}
	suspend := func(n int) { // nested n deep, with a deferred call at each level
		var start func(n int) greenlet.Func
		start = func(n int) greenlet.Func {
			return func(any) (any, error) {
				defer fmt.Println("a deferred call ran")
				if n > 0 {
					return hold(start(n - 1)).Switch(nil)
				}
				g := greenlet.Current()
				for !g.IsRoot() {
					g = g.Parent()
				}
				return g.Switch(nil)
			}
		}
		_, _ = hold(start(n)).Switch(nil)
	}
	ways := map[string]struct {
		end    func()
		status int
		says   string
	}{
		"os.Exit(0)":     {func() { os.Exit(0) }, 0, ""},
		"os.Exit(7)":     {func() { os.Exit(7) }, 7, ""},
		"panic":          {func() { panic("at the end") }, 2, "panic: at the end"},
		"in a greenlet":  {func() { _, _ = greenlet.New(func(any) (any, error) { os.Exit(5); return nil, nil }).Switch(nil) }, 5, ""},
		"another thread": {func() { go os.Exit(6); select {} }, 6, ""},
	}
	if way, ok := ways[os.Getenv("GREENLET_TEST_CHILD")]; ok {
		for range 50 {
			suspend(0)
		}
		suspend(10)
		way.end()
		runtime.KeepAlive(held)
	}
	for name, way := range ways {
		t.Run(name, func(t *testing.T) {
			cmd := child(t, name, "-test.run=^TestExitStatusWithSuspendedGreenlets$")
			out, _ := cmd.CombinedOutput() // the status is looked at
			assert.Equal(t, way.status, cmd.ProcessState.ExitCode(), "%s", out)
			assert.Contains(t, string(out), way.says)
			assert.False(t, strings.Contains(string(out), "a deferred call ran"), "%s", out)
		})
	}
}
