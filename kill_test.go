package greenlet_test

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-greenlet/greenlet"
	"github.com/go-greenlet/greenlet/internal/cgotest"
)

// suspended starts a greenlet that waits once and then does what end says with
// the outcome.
func suspended(t testing.TB, end func(v any, err error) (any, error), opts ...greenlet.Option) *greenlet.Greenlet {
	t.Helper()
	g := greenlet.New(func(back any) (any, error) { return end(back.(*greenlet.Greenlet).Switch(nil)) }, opts...)
	value(t, nil)(g.Switch(greenlet.Current()))
	return g
}

// suspendedInC has C frames.
func suspendedInC(t testing.TB, opts ...greenlet.Option) *greenlet.Greenlet {
	t.Helper()
	g := greenlet.New(func(back any) (v any, err error) {
		cgotest.Call(func() { v, err = back.(*greenlet.Greenlet).Switch(nil) })
		return v, err
	}, opts...)
	value(t, nil)(g.Switch(greenlet.Current()))
	return g
}

func quietly(v any, err error) (any, error) { return v, err }

func TestKillASuspendedGreenlet(t *testing.T) {
	tree(t, func(root *greenlet.Greenlet) {
		var saw error
		g := suspended(t, func(v any, err error) (any, error) { saw = err; return v, err })
		require.NoError(t, g.Kill())
		assert.True(t, g.Dead())
		assert.Equal(t, greenlet.ErrExit, saw)
		require.NoError(t, g.Kill(), "a dead one")

		g = suspended(t, func(any, error) (any, error) { return "a value", nil })
		require.NoError(t, g.Kill())
		assert.True(t, g.Dead())
	})
}

func TestKillReturnsWhatItDiedWith(t *testing.T) {
	tree(t, func(root *greenlet.Greenlet) {
		g := suspended(t, func(any, error) (any, error) { return nil, errSome })
		require.ErrorIs(t, g.Kill(), errSome)
		assert.True(t, g.Dead())

		g = suspended(t, func(any, error) (any, error) { panic(errOther) })
		err := g.Kill()
		var p *greenlet.PanicError
		require.ErrorAs(t, err, &p)
		assert.Equal(t, errOther, p.Value)
		assert.True(t, g.Dead())
	})
}

func TestKillOfAPendingGreenlet(t *testing.T) {
	g := greenlet.New(func(any) (any, error) { t.Error("must not run"); return nil, nil })
	require.NoError(t, g.Kill())
	assert.True(t, g.Dead())
}

func TestKillOfTheCurrentGreenletReturnsErrExit(t *testing.T) {
	tree(t, func(root *greenlet.Greenlet) {
		g := greenlet.New(func(any) (any, error) { return nil, greenlet.Current().Kill() })
		value(t, greenlet.ErrExit)(g.Switch(nil))
	})
}

func TestKillOfARootIsAnError(t *testing.T) {
	tree(t, func(root *greenlet.Greenlet) {
		assert.ErrorContains(t, root.Kill(), "a root ends with its goroutine")
		assert.Equal(t, greenlet.Running, root.State())
	})
}

func TestKillSaysWhenItLivesOn(t *testing.T) {
	tree(t, func(root *greenlet.Greenlet) {
		g := suspended(t, func(any, error) (any, error) {
			v, err := root.Switch("I refuse")
			return v, err
		})
		assert.ErrorContains(t, g.Kill(), "lives")
		assert.Equal(t, greenlet.Suspended, g.State())
		assert.Same(t, root, g.Parent())
		require.NoError(t, g.Kill())
	})
}

// While it is killed, its parent is the killer; afterwards its own again.
func TestTheParentIsRestoredAfterAKill(t *testing.T) {
	tree(t, func(root *greenlet.Greenlet) {
		var result []*greenlet.Greenlet
		hub := greenlet.New(func(any) (any, error) { return root.Switch(nil) }, greenlet.WithName("hub"))
		worker := suspended(t, func(any, error) (any, error) {
			me := greenlet.Current()
			result = append(result, me.Parent(), me)
			return hub.Switch(nil)
		}, greenlet.WithParent(hub))
		assert.ErrorContains(t, worker.Kill(), "lives")
		assert.Same(t, root, result[0])
		assert.Same(t, hub, result[1].Parent())
	})
}

func TestKillComesBackToTheKillerAndNotToTheParent(t *testing.T) {
	tree(t, func(root *greenlet.Greenlet) {
		parent := greenlet.New(func(any) (any, error) {
			v, err := root.Switch(nil)
			assert.ErrorIs(t, err, greenlet.ErrExit, "only the end of the tree may reach it")
			return v, err
		})
		value(t, nil)(parent.Switch(nil))
		g := suspended(t, quietly, greenlet.WithParent(parent))
		killer := greenlet.New(func(any) (any, error) { return "killed", g.Kill() })
		value(t, "killed")(killer.Switch(nil))
	})
}

// A greenlet being killed may choose its heir, as in Python.
func TestAKilledGreenletMaySetItsParent(t *testing.T) {
	tree(t, func(root *greenlet.Greenlet) {
		heir := suspended(t, func(v any, err error) (any, error) { return root.Switch([]any{"heir", v, err}) })
		g := suspended(t, func(any, error) (any, error) {
			return "gift", greenlet.Current().SetParent(heir)
		})
		require.NoError(t, g.Kill())
		assert.True(t, g.Dead())
	})
}

func TestAValueOnItsWayAtAKillStillArrives(t *testing.T) {
	tree(t, func(root *greenlet.Greenlet) {
		var list []any
		initiator := greenlet.New(func(any) (any, error) {
			worker := greenlet.New(func(v any) (any, error) {
				defer func() { list = append(list, "finally") }()
				require.NoError(t, v.(*greenlet.Greenlet).SetParent(root))
				return root.Switch(42)
			})
			_, err := worker.Switch(greenlet.Current())
			return nil, err
		})
		value(t, 42)(initiator.Switch(nil))
		require.NoError(t, initiator.Kill())
		assert.Empty(t, list)
	})
}

// ---- the end of a Run

func TestRunKillsWhatLivesYoungestFirst(t *testing.T) {
	var order []int
	err := greenlet.Run(func(root *greenlet.Greenlet) error {
		for i := range 4 {
			g := suspended(t, func(any, error) (any, error) {
				order = append(order, i)
				switch i {
				case 1:
					return nil, errSome
				case 2:
					panic("two")
				}
				return nil, greenlet.ErrExit
			})
			runtime.KeepAlive(g)
		}
		return errOther
	})
	assert.Equal(t, []int{3, 2, 1, 0}, order)
	require.ErrorIs(t, err, errOther)
	require.ErrorIs(t, err, errSome)
	var p *greenlet.PanicError
	require.ErrorAs(t, err, &p)
	assert.Equal(t, "two", p.Value)
}

func TestRunGivesUpOnAGreenletThatRefusesToDie(t *testing.T) {
	var g *greenlet.Greenlet
	refusals := 0
	err := greenlet.Run(func(root *greenlet.Greenlet) error {
		g = greenlet.New(func(any) (any, error) {
			for {
				_, _ = root.Switch(nil)
				refusals++
			}
		})
		_, err := g.Switch(nil)
		return err
	})
	assert.ErrorContains(t, err, "lives")
	assert.Equal(t, 1, refusals)
	assert.True(t, g.Dead())
}

func TestRunEndsAlthoughDeathsStartGreenlets(t *testing.T) {
	var spawn func(any) (any, error)
	spawn = func(any) (any, error) {
		_, err := greenlet.Current().Parent().Switch(nil)
		_, _ = greenlet.New(spawn).Switch(nil)
		return nil, err
	}
	err := greenlet.Run(func(root *greenlet.Greenlet) error {
		_, err := greenlet.New(spawn).Switch(nil)
		return err
	})
	t.Log(err)
}

func TestRunCleansUpAfterAPanic(t *testing.T) {
	var g *greenlet.Greenlet
	assert.PanicsWithValue(t, "boom", func() {
		_ = greenlet.Run(func(root *greenlet.Greenlet) error {
			g = suspended(t, quietly)
			panic("boom")
		})
	})
	assert.True(t, g.Dead())
	tree(t, func(*greenlet.Greenlet) {}) // the goroutine is free again
}

func TestThePanicOfRunWinsOverAGoexit(t *testing.T) {
	recovered := make(chan any, 1)
	go func() {
		defer func() { recovered <- recover() }()
		_ = greenlet.Run(func(root *greenlet.Greenlet) error {
			suspended(t, func(any, error) (any, error) { runtime.Goexit(); return nil, nil })
			panic("boom")
		})
	}()
	assert.Equal(t, "boom", <-recovered)
}

func TestRunInsideATreeIsAnError(t *testing.T) {
	nothing := func(*greenlet.Greenlet) error { return nil }
	tree(t, func(root *greenlet.Greenlet) {
		assert.ErrorContains(t, greenlet.Run(nothing), "inside a tree")
		g := greenlet.New(func(any) (any, error) { return nil, greenlet.Run(nothing) })
		_, err := g.Switch(nil)
		assert.ErrorContains(t, err, "inside a tree")
	})
	assert.ErrorContains(t, greenlet.Run(nil), "function is nil")
	done := make(chan error)
	go func() {
		greenlet.Current()
		done <- greenlet.Run(nothing)
	}()
	assert.ErrorContains(t, <-done, "inside a tree")
}

func TestAfterRunItsGreenletsAreDead(t *testing.T) {
	var root, pending, finished, living *greenlet.Greenlet
	tree(t, func(r *greenlet.Greenlet) {
		root = r
		pending, finished = greenlet.New(echo), greenlet.New(returns(nil, nil))
		value(t, nil)(finished.Switch(nil))
		living = suspended(t, quietly)
	})
	assert.True(t, root.Dead())
	assert.False(t, root.Active())
	assert.True(t, living.Dead())
	for _, g := range []*greenlet.Greenlet{root, pending, finished, living} {
		_, err := g.Switch(nil)
		assert.ErrorIs(t, err, greenlet.ErrThreadExited)
		assert.ErrorContains(t, err, "its Run has returned")
	}
	assert.Contains(t, root.String(), "released")
}

// ---- the collector's backstop

func TestAForgottenSuspendedGreenletIsKilledByItsThread(t *testing.T) {
	tree(t, func(root *greenlet.Greenlet) {
		killed := 0
		start := func() {
			g := greenlet.New(func(any) (any, error) {
				_, err := root.Switch(nil)
				if errors.Is(err, greenlet.ErrExit) {
					killed++
				}
				return nil, err
			})
			value(t, nil)(g.Switch(nil))
		}
		for range 10 {
			start()
		}
		waitFor(t, func() bool {
			value(t, nil)(root.Switch(nil)) // any call of the library
			return killed == 10
		})
	})
}

func TestTheUnraisableHookHearsOfForgottenOnes(t *testing.T) {
	var heard []error
	previous := greenlet.SetUnraisableHook(func(g *greenlet.Greenlet, err error) {
		if g.Name() == "forgotten" { // and not one that an earlier test has left to the collector
			heard = append(heard, err)
		}
	})
	defer func() { greenlet.SetUnraisableHook(previous) }()
	tree(t, func(root *greenlet.Greenlet) {
		func() {
			g := greenlet.New(func(any) (any, error) {
				_, _ = root.Switch(nil)
				return nil, errSome
			}, greenlet.WithName("forgotten"))
			value(t, nil)(g.Switch(nil))
		}()
		waitFor(t, func() bool {
			value(t, nil)(root.Switch(nil))
			return len(heard) > 0
		})
		require.Len(t, heard, 1)
		assert.ErrorIs(t, heard[0], errSome)
	})
}

func TestAHeldGreenletIsNotKilled(t *testing.T) {
	tree(t, func(root *greenlet.Greenlet) {
		g := greenlet.New(echo)
		child := greenlet.New(echo, greenlet.WithParent(g))
		value(t, 1)(g.Switch(1))
		g = nil // its child still needs it
		for range 5 {
			runtime.GC()
			time.Sleep(time.Millisecond)
			value(t, nil)(root.Switch(nil))
		}
		value(t, 2)(child.Switch(2)) // by way of g
		assert.Equal(t, greenlet.Suspended, child.Parent().State())
	})
}

// Go can look for cleanups that keep their own object alive (since 1.25), and ends the
// process when it finds one.
func TestNoCleanupReachesItsGreenlet(t *testing.T) {
	if os.Getenv("GREENLET_TEST_CHILD") == "cleanups" {
		tree(t, func(root *greenlet.Greenlet) {
			var ended int
			body := func(v any) (any, error) {
				defer func() { ended++ }()
				runtime.GC() // while it is the one that runs
				_, err := greenlet.Current().Parent().Switch(v)
				runtime.GC()
				return nil, err
			}
			parent := greenlet.New(body)
			value(t, 1)(parent.Switch(1))
			child := greenlet.New(body, greenlet.WithParent(parent))
			_, _ = child.Switch(2) // starts the child, which ends its parent
			next, stop := greenlet.Pull(count(3))
			next()
			runtime.GC()
			stop()
			func() { _, _ = greenlet.New(body).Switch(3) }() // is forgotten
			before := ended
			waitFor(t, func() bool { value(t, 4)(greenlet.New(returns(4, nil)).Switch(nil)); return ended > before })
			runtime.KeepAlive(child)
		})
		return
	}
	if strings.HasPrefix(runtime.Version(), "go1.24") {
		t.Skip("this Go does not look")
	}
	cmd := child(t, "cleanups", "-test.run=^"+t.Name()+"$")
	cmd.Env = append(cmd.Env, "GODEBUG=checkfinalizers=1")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
}

// waitFor runs the collector until the condition holds.
func waitFor(t testing.TB, ok func() bool) {
	t.Helper()
	for range 500 {
		runtime.GC()
		time.Sleep(time.Millisecond)
		if ok() {
			return
		}
	}
	t.Fatal("it did not happen")
}

// The idiom is: defer func() { err = errors.Join(err, f.Close()) }()
func TestAnErrorJoinedWithErrExitIsNotLost(t *testing.T) {
	closing := func(v any, err error) (any, error) { return v, errors.Join(err, errSome) }
	tree(t, func(root *greenlet.Greenlet) {
		err := suspended(t, closing).Kill()
		require.ErrorIs(t, err, errSome)
		require.ErrorIs(t, err, greenlet.ErrExit)

		_, err = suspended(t, closing).Throw(nil)
		require.ErrorIs(t, err, errSome, "as what a parent gets")

		_, err = greenlet.New(echo).Throw(errors.Join(errSome, greenlet.ErrExit))
		require.ErrorIs(t, err, errSome, "a pending one")

		joined := errors.Join(greenlet.ErrExit, fmt.Errorf("wrapped: %w", greenlet.ErrExit))
		value(t, joined)(greenlet.New(returns(nil, joined)).Switch(nil))

		c := greenlet.NewCoroutine(func(yield func(int) (int, error), _ int) (err error) {
			defer func() { err = errors.Join(err, errSome) }()
			_, err = yield(1)
			return err
		})
		_, ok, err := c.Resume(0)
		require.NoError(t, err)
		require.True(t, ok)
		require.ErrorIs(t, c.Stop(), errSome)

		// An iterator has no result to return an error with, so it is ended by it.
		var seq *greenlet.Greenlet
		next, stop := greenlet.Pull(func(yield func(int) bool) {
			seq = greenlet.Current()
			yield(1)
		})
		defer stop()
		next()
		_, err = seq.Throw(errors.Join(greenlet.ErrExit, errSome))
		require.ErrorIs(t, err, errSome)
	})
	err := greenlet.Run(func(*greenlet.Greenlet) error {
		runtime.KeepAlive(suspended(t, closing))
		return nil
	})
	require.ErrorIs(t, err, errSome)
}

// forget leaves a suspended greenlet to the collector, which ends as end says, and
// waits until it is found. The next call on this thread kills it.
func forget(t testing.TB, end func() error) {
	t.Helper()
	suspended(t, func(any, error) (any, error) { return nil, end() }, greenlet.WithName("forgotten"))
	waitFor(t, greenlet.SomeUnreachable)
}

// What the deferred calls of a forgotten greenlet send to whoever happens to make the
// call in which it is killed is that one's, and comes out of that call.
func TestWhatForgottenGreenletsSendArrives(t *testing.T) {
	sends := map[string]func(to *greenlet.Greenlet) error{
		"a value":  func(to *greenlet.Greenlet) error { _, err := to.Switch("bye"); return err },
		"an error": func(to *greenlet.Greenlet) error { _, err := to.Throw(errSome); return err },
		"an end":   func(to *greenlet.Greenlet) error { return to.Kill() },
		"a panic": func(to *greenlet.Greenlet) error {
			_, err := greenlet.New(func(any) (any, error) { panic("boom") }, greenlet.WithParent(to)).Switch(nil)
			return err
		},
	}
	began := false
	body := func(any) (any, error) { began = true; return nil, nil }
	calls := map[string]func() (any, error){
		"Switch": func() (any, error) { return greenlet.New(body).Switch(nil) },
		"Throw":  func() (any, error) { return greenlet.New(body).Throw(errOther) },
		"Kill":   func() (any, error) { return nil, greenlet.New(body).Kill() },
		"Resume": func() (any, error) {
			_, ok, err := greenlet.NewCoroutine(func(func(int) (int, error), int) error { began = true; return nil }).Resume(0)
			return ok, err
		},
		"next": func() (any, error) {
			next, _ := greenlet.Pull(func(func(int) bool) { began = true })
			_, ok := next()
			return ok, nil
		},
	}
	for what, send := range sends {
		for where, call := range calls {
			t.Run(what+" in "+where, func(t *testing.T) {
				var hooked error
				previous := greenlet.SetUnraisableHook(func(g *greenlet.Greenlet, err error) {
					if g.Name() == "forgotten" { // and not one that an earlier test has left to the collector
						hooked = err
					}
				})
				defer func() { greenlet.SetUnraisableHook(previous) }()
				began = false
				tree(t, func(root *greenlet.Greenlet) {
					killed := errOther
					caller := greenlet.New(func(any) (any, error) {
						me := greenlet.Current()
						forget(t, func() error { killed = send(me); return nil })
						return call()
					})
					var v any
					var err error
					p := recovered(func() { v, err = caller.Switch(nil) })
					assert.False(t, began, "what the call was to do, it has not begun")
					assert.True(t, caller.Dead())
					assert.ErrorContains(t, hooked, "lives", "at that time it does")
					switch what {
					case "a value":
						if where == "Switch" || where == "Throw" {
							assert.Equal(t, "bye", v)
						} else if where == "next" {
							assert.ErrorContains(t, p.(error), "somebody else switched")
						} else {
							assert.ErrorContains(t, err, "somebody else switched")
						}
					case "an error":
						assert.Equal(t, errSome, err)
					case "an end":
						assert.NoError(t, err)
						assert.NoError(t, killed, "the caller has died of it")
					case "a panic":
						require.IsType(t, &greenlet.PanicError{}, p)
						assert.Equal(t, "boom", p.(*greenlet.PanicError).Value)
					}
				})
			})
		}
	}
}

// One that is not done, whatever came in between, is killed at the next call.
func TestAPanickingUnraisableHookLosesNobody(t *testing.T) {
	heard, mine := 0, errors.New("of this test")
	previous := greenlet.SetUnraisableHook(func(_ *greenlet.Greenlet, err error) {
		if errors.Is(err, mine) { // and not of one that an earlier test has left to the collector
			heard++
			panic("from the hook")
		}
	})
	defer func() { greenlet.SetUnraisableHook(previous) }()
	tree(t, func(root *greenlet.Greenlet) {
		for range 5 {
			suspended(t, func(any, error) (any, error) { return nil, mine })
		}
		for tries := 0; heard < 5; tries++ {
			require.Less(t, tries, 500)
			runtime.GC()
			runtime.Gosched()
			for greenlet.SomeUnreachable() && heard < 5 {
				assert.Equal(t, "from the hook", recovered(func() { _, _ = root.Switch(nil) }))
			}
		}
		value(t, 1)(root.Switch(1))
	})
	assert.Equal(t, 5, heard)
}

// A forgotten greenlet has given a reference to itself to another one, which kills it and gets its end; what that one
// then sends to whoever happens to make the call arrives there.
func TestAnotherGetsTheEndOfAForgottenOneAndSends(t *testing.T) {
	tree(t, func(root *greenlet.Greenlet) {
		killed := errOther
		other := greenlet.New(func(dying any) (any, error) {
			killed = dying.(*greenlet.Greenlet).Kill()
			return root.Switch("sent")
		})
		forget(t, func() error {
			me := greenlet.Current()
			_, err := other.Switch(me)
			return err
		})
		value(t, "sent")(greenlet.New(returns("no", nil)).Switch(nil))
		assert.NoError(t, killed)
	})
}

// A forgotten greenlet that gives itself to the root while it is ended ends to the caller all the same, and the call
// goes on.
func TestAForgottenOneThatChangesItsParentWhileItIsEnded(t *testing.T) {
	tree(t, func(root *greenlet.Greenlet) {
		forget(t, func() error { return greenlet.Current().SetParent(root) })
		value(t, "mine")(greenlet.New(returns("mine", nil)).Switch(nil))
	})
}
