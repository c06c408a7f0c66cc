//go:build cgo && linux

package greenlet

import (
	"bytes"
	"fmt"
	"io"
	"runtime"
	"runtime/trace"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-greenlet/greenlet/internal/cgotest"
	"github.com/go-greenlet/greenlet/internal/gort"
	"github.com/go-greenlet/greenlet/internal/place"
)

// Instants between two steps of one operation at which another goroutine does something. They
// are met here by calling the steps one by one.

func elsewhere(f func()) {
	done := make(chan bool)
	go func() { defer close(done); f() }()
	<-done
}

// parkedBody returns a coroutine that is suspended in its yield in the calling goroutine's tree,
// and a pending greenlet below its body, of which started is set once it runs.
func parkedBody(t *testing.T) (c *Coroutine[int, int], child *Greenlet, started *bool) {
	started = new(bool)
	root := Current()
	c = NewCoroutine(func(yield func(int) (int, error), _ int) error {
		child = New(func(v any) (any, error) { *started = true; return root.Switch(v) })
		for i := 1; ; i++ {
			if _, err := yield(i); err != nil {
				return err
			}
		}
	})
	v, ok, err := c.Resume(0)
	require.Equal(t, 1, v)
	require.True(t, ok)
	require.NoError(t, err)
	return c, child, started
}

func needsFreeTrees(t *testing.T) {
	require.NoError(t, chooseEngine())
	if !oneM {
		t.Skip("this engine has no free trees")
	}
}

// Another goroutine takes a body over when a greenlet below it was started, and before the first
// switch to it: either that is refused, or the switch is, and in no case do both go on.
func TestABodyIsTakenOverBetweenAStartBelowItAndTheFirstSwitch(t *testing.T) {
	needsFreeTrees(t)
	t.Run("the long way", func(t *testing.T) {
		elsewhere(func() {
			c, child, started := parkedBody(t)
			var err error
			m, sendErr := child.transfer("Switch", message{kind: kindValue, value: "sent"}, func() {
				elsewhere(func() { _, _, err = c.Resume(0) })
			})
			assert.ErrorIs(t, err, ErrWrongThread)
			assert.NoError(t, sendErr)
			assert.True(t, *started)
			assert.Equal(t, kindValue, m.kind)
			assert.Equal(t, "sent", m.value)
			assert.NoError(t, child.Kill())
			assert.NoError(t, c.Stop())
		})
	})
	t.Run("the short way", func(t *testing.T) {
		if raceEnabled {
			t.Skip("there is no short way under the race detector")
		}
		elsewhere(func() {
			c, child, started := parkedBody(t)
			to, tr := child.startFast()
			require.NotNil(t, to)
			taken, done := make(chan bool), make(chan bool)
			go func() {
				v, _, err := c.Resume(0)
				assert.Equal(t, 2, v)
				assert.NoError(t, err)
				taken <- true
				<-done
				taken <- true
			}()
			<-taken
			// The rest of the Switch that has called startFast.
			from := tr.current.c
			tr.inbox.value = "sent"
			tr.current = child
			child.c.switches++
			way, _ := tr.carrier.SwitchFast(to)
			require.Equal(t, gort.Refused, way)
			_, err := tr.retrySwitch(from)
			assert.ErrorIs(t, err, ErrWrongThread)
			assert.False(t, *started)
			close(done)
			<-taken
		})
	})
}

// A stop beside the start or the move of a pending body by another goroutine waits for that.
func TestAStopBesideAMoveOfThePendingBody(t *testing.T) {
	for _, name := range []string{"free", "bound"} {
		t.Run(name, func(t *testing.T) {
			seq := func(yield func(int) bool) { yield(1) }
			p := &pull[int]{seq: seq}
			g := p.newGreenlet(place.PC(seq), p)
			g.c.life.Store(lifeMoving)
			go func() {
				time.Sleep(10 * time.Millisecond)
				g.c.life.Store(lifePending)
			}()
			elsewhere(func() {
				stop := func(*Greenlet) error { p.stop(g, "stop"); return nil }
				if name == "free" {
					assert.NoError(t, stop(nil))
				} else {
					assert.NoError(t, Run(stop))
				}
			})
			assert.True(t, g.Dead())
			runtime.KeepAlive(g)
		})
	}
}

// While a greenlet waits for another one to answer a probe, it is not moved: the other one switches
// back to it.
func TestABodyIsTakenOverWhileAGreenletBelowItWaitsForAProbe(t *testing.T) {
	needsFreeTrees(t)
	elsewhere(func() {
		root := Current()
		suspended := New(func(any) (any, error) { return root.Switch(nil) })
		_, err := suspended.Switch(nil)
		require.NoError(t, err)
		c, child, _ := parkedBody(t)
		var refused error
		probed := New(func(any) (any, error) {
			currentTree().callOn(suspended, func() {
				elsewhere(func() { _, _, refused = c.Resume(0) })
			})
			return root.Switch("probed")
		}, WithParent(child.Parent()))
		v, err := probed.Switch(nil)
		assert.NoError(t, err)
		assert.Equal(t, "probed", v)
		assert.ErrorIs(t, refused, ErrWrongThread)
		assert.NoError(t, probed.Kill())
		assert.NoError(t, suspended.Kill())
		assert.NoError(t, c.Stop())
	})
}

// A new reference to a greenlet is made under the lock of the tree to which it was moved, where it
// may be ending.
func TestAReferenceIsMadeWhileItsGreenletIsMoved(t *testing.T) {
	var source, target tree
	c := &core{}
	c.tree.Store(&source)
	source.mu.Lock()
	made := make(chan bool)
	go func() { c.userRef(); close(made) }()
	time.Sleep(10 * time.Millisecond) // it waits for the lock by now
	target.mu.Lock()
	c.tree.Store(&target)
	source.mu.Unlock()
	select {
	case <-made:
		t.Error("userRef has not waited for the lock of the tree that the greenlet is in")
	case <-time.After(20 * time.Millisecond):
	}
	target.mu.Unlock()
	<-made
}

// A claim that comes to nothing does not make a greenlet look as if it had been moved.
func TestAPinBesideClaimsThatComeToNothing(t *testing.T) {
	needsFreeTrees(t)
	elsewhere(func() {
		root, tr := Current(), currentTree()
		g := New(func(any) (any, error) { return root.Switch(nil) })
		_, err := g.Switch(nil)
		require.NoError(t, err)
		coro := g.c.coro
		var over atomic.Bool
		done := make(chan bool)
		go func() {
			defer close(done)
			for !over.Load() {
				if coro.Claim(tr.carrier, func() bool { return false }) {
					coro.Unclaim(tr.carrier)
				}
			}
		}()
		rounds := 3_000_000
		if raceEnabled {
			rounds = 10_000
		}
		for range rounds {
			if !assert.True(t, tr.pin(g.c)) {
				break
			}
			coro.Keep(tr.carrier)
		}
		over.Store(true)
		<-done
		assert.NoError(t, g.Kill())
	})
}

// A Switch to the root of a Run that has returned is refused in the goroutine's next one,
// although that one's root has the same coroutine.
func TestSwitchToTheRootOfARunThatHasReturned(t *testing.T) {
	for name, options := range map[string][]Option{"bound": nil, "WithoutLock": {WithoutLock()}} {
		t.Run(name, func(t *testing.T) {
			elsewhere(func() {
				var old *Greenlet
				assert.NoError(t, Run(func(root *Greenlet) error { old = root; return nil }, options...))
				assert.NoError(t, Run(func(root *Greenlet) error {
					g := New(func(any) (any, error) {
						_, err := old.Switch("to nobody")
						assert.ErrorIs(t, err, ErrThreadExited)
						return "ended", nil
					})
					v, err := g.Switch(nil)
					assert.NoError(t, err)
					assert.Equal(t, "ended", v)
					assert.True(t, Current() == root)
					assert.True(t, g.Dead())
					return nil
				}, options...))
			})
		})
	}
}

// A greenlet below a body that waits for one that is not, or for which another one waits, keeps
// the body where it is: the two must stay in one tree.
func TestABodyIsNotTakenOverWhileAGreenletBelowItWaitsOrIsWaitedFor(t *testing.T) {
	needsFreeTrees(t)
	// body returns a coroutine that is suspended in its yield, and a greenlet that it has made.
	body := func(f Func) (c *Coroutine[int, int], below *Greenlet) {
		c = NewCoroutine(func(yield func(int) (int, error), _ int) error {
			below = New(f)
			for i := 1; ; i++ {
				if _, err := yield(i); err != nil {
					return err
				}
			}
		})
		_, _, err := c.Resume(0)
		require.NoError(t, err)
		return c, below
	}
	refused := func(c *Coroutine[int, int]) {
		elsewhere(func() {
			_, ok, err := c.Resume(0)
			assert.False(t, ok)
			assert.ErrorIs(t, err, ErrWrongThread)
		})
	}
	moved := func(c *Coroutine[int, int]) {
		elsewhere(func() {
			v, ok, err := c.Resume(0)
			assert.Equal(t, 2, v)
			assert.True(t, ok)
			assert.NoError(t, err)
		})
		assert.NoError(t, c.Stop())
	}
	// movedAfter starts below, which waits then. The wait ends when control is passed to last, which
	// may be set by then only.
	movedAfter := func(c *Coroutine[int, int], below *Greenlet, last **Greenlet) {
		v, err := below.Switch(nil)
		require.NoError(t, err)
		require.Equal(t, "not yet", v)
		refused(c)
		v, err = (*last).Switch(nil)
		assert.NoError(t, err)
		assert.Equal(t, "now", v)
		moved(c)
		runtime.KeepAlive(below)
	}
	for _, first := range []int{1, 2} { // the first next starts the body; the second one can be a fast resume
		t.Run(fmt.Sprint("it waits in the next of number ", first), func(t *testing.T) {
			elsewhere(func() {
				root := Current()
				var producer *Greenlet
				next, stop := Pull(func(yield func(int) bool) {
					producer = Current()
					for i := 1; i < first; i++ {
						yield(i)
					}
					_, err := root.Switch("not yet")
					assert.NoError(t, err)
					yield(first)
				})
				c, below := body(func(any) (any, error) {
					for i := 1; i <= first; i++ {
						v, ok := next()
						assert.True(t, ok)
						assert.Equal(t, i, v)
					}
					stop()
					return root.Switch("now")
				})
				movedAfter(c, below, &producer)
			})
		})
	}
	for _, number := range []int{1, 2, 3} { // the short switch of the third one is refused
		t.Run(fmt.Sprint("it has waited in the next of number ", number), func(t *testing.T) {
			elsewhere(func() {
				root := Current()
				next, stop := Pull(func(yield func(int) bool) {
					for i := 1; yield(i); i++ {
						continue
					}
				})
				defer stop()
				c, below := body(func(any) (any, error) {
					for i := 1; i <= number; i++ {
						if i == 3 {
							assert.NoError(t, trace.Start(io.Discard))
						}
						v, ok := next()
						assert.True(t, ok)
						assert.Equal(t, i, v)
					}
					trace.Stop()
					return root.Switch("now")
				})
				v, err := below.Switch(nil)
				require.NoError(t, err)
				require.Equal(t, "now", v)
				moved(c)
				runtime.KeepAlive(below)
			})
		})
	}
	t.Run("it waits in a Kill", func(t *testing.T) {
		elsewhere(func() {
			root := Current()
			stubborn := New(func(any) (any, error) {
				_, err := root.Switch(nil)
				assert.ErrorIs(t, err, ErrExit)
				_, err = root.Switch("not yet")
				return nil, err
			}, WithParent(root))
			_, err := stubborn.Switch(nil)
			require.NoError(t, err)
			c, below := body(func(any) (any, error) {
				assert.NoError(t, stubborn.Kill())
				return root.Switch("now")
			})
			movedAfter(c, below, &stubborn)
		})
	})
	t.Run("it waits in a next, and its tracer has called another one", func(t *testing.T) {
		elsewhere(func() {
			root := Current()
			next, stop := Pull(func(yield func(int) bool) { yield(1) })
			inner, stopInner := Pull(func(yield func(int) bool) { yield(1) })
			c, below := body(func(any) (any, error) {
				me := Current().ID()
				SetTrace(func(_ Event, _, target *Greenlet) {
					if target.ID() != me {
						return
					}
					SetTrace(nil)
					_, ok := inner()
					assert.True(t, ok)
					stopInner()
					_, err := root.Switch("not yet")
					assert.NoError(t, err)
				})
				_, ok := next()
				assert.True(t, ok)
				stop()
				return root.Switch("now")
			})
			movedAfter(c, below, &below)
		})
	})
	t.Run("it waits in a Kill of one that has chosen another heir", func(t *testing.T) {
		elsewhere(func() {
			root := Current()
			stubborn := New(func(any) (any, error) {
				_, err := root.Switch(nil)
				assert.ErrorIs(t, err, ErrExit)
				assert.NoError(t, Current().SetParent(root))
				_, err = root.Switch("chosen")
				return nil, err
			}, WithParent(root))
			_, err := stubborn.Switch(nil)
			require.NoError(t, err)
			heir := root
			c, below := body(func(any) (any, error) { return heir.Switch(stubborn.Kill()) })
			v, err := below.Switch(nil)
			require.NoError(t, err)
			require.Equal(t, "chosen", v)
			elsewhere(func() {
				heir = Current()
				v, ok, err := c.Resume(0)
				assert.Equal(t, 2, v)
				assert.True(t, ok)
				assert.NoError(t, err)
				result, err := below.Switch(nil)
				assert.NoError(t, err)
				killErr, _ := result.(error)
				assert.ErrorIs(t, killErr, errLivesOn)
				assert.NoError(t, below.Kill())
				assert.NoError(t, c.Stop())
			})
			assert.NoError(t, stubborn.Kill())
			assert.True(t, stubborn.Dead())
		})
	})
	t.Run("it is killed", func(t *testing.T) {
		elsewhere(func() {
			root := Current()
			var c *Coroutine[int, int]
			looks := New(func(v any) (any, error) { refused(c); return v.(*Greenlet).Switch(nil) }, WithParent(root))
			c, below := body(func(any) (any, error) {
				_, err := root.Switch(nil)
				assert.ErrorIs(t, err, ErrExit)
				_, switchErr := looks.Switch(Current())
				assert.NoError(t, switchErr)
				return nil, err
			})
			_, err := below.Switch(nil)
			require.NoError(t, err)
			assert.NoError(t, below.Kill())
			assert.True(t, below.Dead())
			assert.NoError(t, looks.Kill())
			moved(c)
		})
	})
}

// A Resume that is refused when the body is pinned gives it free again.
func TestARefusedResumeDoesNotKeepTheBody(t *testing.T) {
	needsFreeTrees(t)
	elsewhere(func() {
		root := Current()
		c := NewCoroutine(func(yield func(int) (int, error), _ int) error {
			_, err := root.Switch("elsewhere")
			assert.ErrorIs(t, err, ErrExit)
			_, err = yield(1)
			return err
		})
		refused := func(reason error) {
			_, ok, err := c.Resume(0)
			assert.False(t, ok)
			assert.ErrorIs(t, err, reason)
			coro, record := c.g.c.coro, currentTree().carrier
			assert.True(t, coro.Claim(record, func() bool { return false }))
			coro.Unclaim(record)
		}
		resumes := New(func(any) (any, error) {
			_, _, err := c.Resume(0)
			return nil, err
		})
		v, err := resumes.Switch(nil)
		require.NoError(t, err)
		require.Equal(t, "elsewhere", v)
		refused(errBusy)
		assert.ErrorIs(t, c.Stop(), errLivesOn) // its body yields
		refused(errAwaited)
		assert.NoError(t, resumes.Kill())
		_, ok, err := c.Resume(0)
		assert.False(t, ok)
		assert.NoError(t, err)
		assert.True(t, c.g.Dead())
	})
}

// A body that is suspended elsewhere than in its yield stays where it is, also if nothing waits for
// it; and so does a greenlet that waits, or is waited for, if it is the one that is to be moved.
func TestWhatIsNotMoved(t *testing.T) {
	needsFreeTrees(t)
	elsewhere(func() {
		root := Current()
		var body *Greenlet
		c := NewCoroutine(func(yield func(int) (int, error), _ int) error {
			body = Current()
			if v, err := root.Switch("waited for"); err != nil || v != nil {
				return err
			}
			_, err := yield(1)
			return err
		})
		waits := New(func(any) (any, error) {
			_, ok, err := c.Resume(0)
			assert.False(t, ok)
			assert.ErrorIs(t, err, ErrExit)
			return root.Switch("goes on")
		})
		v, err := waits.Switch(nil)
		require.NoError(t, err)
		require.Equal(t, "waited for", v)
		there, over := make(chan *Greenlet), make(chan bool)
		go func() {
			there <- Current()
			<-over
			assert.NoError(t, waits.Kill())
			there <- Current()
		}()
		other := <-there
		for _, g := range []*Greenlet{waits, body} {
			err := g.SetParent(other)
			assert.ErrorIs(t, err, ErrWrongThread)
			assert.ErrorIs(t, err, errInUse)
			assert.Same(t, currentTree(), g.c.tree.Load())
		}
		v, err = waits.Throw(nil)
		assert.NoError(t, err)
		assert.Equal(t, "goes on", v)
		elsewhere(func() {
			_, _, err := c.Resume(0)
			assert.ErrorIs(t, err, errBusy)
		})
		assert.Same(t, currentTree(), body.c.tree.Load())
		assert.NoError(t, c.Stop())
		assert.NoError(t, waits.SetParent(other)) // it waits no more
		over <- true
		<-there
	})
}

// A stop that is refused since another goroutine takes the body over just now leaves the iteration
// to that one as it was.
func TestAStopWhileABodyIsTakenOver(t *testing.T) {
	needsFreeTrees(t)
	elsewhere(func() {
		var body *Greenlet
		next, stop := Pull(func(yield func(int) bool) {
			body = Current()
			for i := 1; yield(i); i++ {
				continue
			}
		})
		_, ok := next()
		require.True(t, ok)
		source := currentTree()
		claimed, refused, done := make(chan bool), make(chan bool), make(chan bool)
		go func() {
			defer close(done)
			root := Current()
			assert.NoError(t, currentTree().moveIn(body.c, source, func() error {
				close(claimed)
				stacks := make([]byte, 1<<24) // other tests have left many
				for !bytes.Contains(stacks[:runtime.Stack(stacks, true)], []byte("gort.(*Coro).Hold(")) {
					time.Sleep(time.Millisecond) // until stop waits for the end of the claim
				}
				return nil
			}))
			<-refused
			for i := 2; i <= 3; i++ {
				v, ok := next()
				assert.True(t, ok)
				assert.Equal(t, i, v)
			}
			stop()
			runtime.KeepAlive(root)
		}()
		<-claimed
		func() {
			defer close(refused)
			defer func() {
				err, _ := recover().(error)
				assert.ErrorIs(t, err, ErrWrongThread)
			}()
			stop()
		}()
		<-done
	})
}

// A body cannot be taken over between its yield and the return of the Resume that takes the value.
func TestABodyIsTakenOverBeforeItsValueIsTaken(t *testing.T) {
	needsFreeTrees(t)
	elsewhere(func() {
		c, _, _ := parkedBody(t)
		SetTrace(func(Event, *Greenlet, *Greenlet) {}) // so that the message goes the long way
		tr, err := c.s.checkResume(c.g, "Resume")
		require.NoError(t, err)
		*c.s.in.Load() = 0
		require.False(t, c.s.resume(tr, c.g))
		m, yielded := c.s.resumeResult(c.g)
		elsewhere(func() {
			_, _, err := c.Resume(0)
			assert.ErrorIs(t, err, ErrWrongThread)
		})
		v, ok, err := c.s.resumeOutcome(c.g, m, yielded)
		assert.Equal(t, 2, v)
		assert.True(t, ok)
		assert.NoError(t, err)
		SetTrace(nil)
		elsewhere(func() {
			v, _, _ := c.Resume(0)
			assert.Equal(t, 3, v)
			assert.NoError(t, c.Stop())
		})
	})
}

// A body that another goroutine takes over and resumes as soon as an error has ended a Resume, which
// is not to take the value of the other one.
func TestABodyIsTakenOverWhenAnErrorHasEndedAResume(t *testing.T) {
	needsFreeTrees(t)
	elsewhere(func() {
		root := Current()
		c := NewCoroutine(func(yield func(int) (int, error), _ int) error {
			_, err := root.Switch("elsewhere")
			assert.ErrorIs(t, err, ErrExit)
			for i := 1; err == nil || i == 1; i++ {
				_, err = yield(i)
			}
			return err
		})
		resumes := New(func(any) (any, error) {
			tr, err := c.s.checkResume(c.g, "Resume")
			assert.NoError(t, err)
			*c.s.in.Load() = 0
			assert.False(t, c.s.resume(tr, c.g))
			m, yielded := c.s.resumeResult(c.g)
			elsewhere(func() {
				v, ok, err := c.Resume(0)
				assert.Equal(t, 2, v)
				assert.True(t, ok)
				assert.NoError(t, err)
			})
			_, ok, err := c.s.resumeOutcome(c.g, m, yielded)
			assert.False(t, ok)
			return nil, err
		})
		v, err := resumes.Switch(nil)
		require.NoError(t, err)
		require.Equal(t, "elsewhere", v)
		assert.ErrorIs(t, c.Stop(), errLivesOn) // its body yields
		assert.NoError(t, resumes.Kill())
		assert.True(t, resumes.Dead())
		assert.NoError(t, c.Stop())
	})
}

// A greenlet that its goroutine has left behind ends its wait for a body while other goroutines try to
// take the body over, with nothing else between the two for the race detector.
func TestWhoWaitsForABodyIsLeftBehind(t *testing.T) {
	needsFreeTrees(t)
	for range 10 {
		var next func() (int, bool)
		var consumer *Greenlet
		elsewhere(func() {
			root := Current()
			next, _ = Pull(func(yield func(int) bool) {
				_, _ = root.Switch("left") // until the collector finds the body unreachable
			})
			consumer = New(func(any) (any, error) { next(); return nil, nil })
			v, err := consumer.Switch(nil)
			require.NoError(t, err)
			require.Equal(t, "left", v)
		})
		over, done := make(chan bool), make(chan bool)
		go func() {
			defer close(done)
			for {
				select {
				case <-over:
					return
				default:
				}
				func() {
					defer func() {
						err, _ := recover().(error)
						assert.ErrorIs(t, err, ErrWrongThread) // errInUse, and errBusy once nobody waits for it any more
					}()
					next()
				}()
			}
		}()
		for !consumer.Dead() {
			runtime.GC()
		}
		close(over)
		<-done
	}
}

// A free tree that was suspended in C on a thread, or whose switch there was refused, leaves the
// thread's records to whoever is locked to the thread next, with nothing else between the two for the
// race detector.
func TestAThreadIsLeftToAnotherGoroutine(t *testing.T) {
	needsFreeTrees(t)
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1)) // so that goroutines follow each other on one thread
	for name, in := range map[string]func(root *Greenlet){
		"suspended": func(root *Greenlet) {
			g := New(func(any) (any, error) { return root.Switch(nil) })
			cgotest.Call(func() { _, _ = g.Switch(nil) })
			assert.NoError(t, g.Kill())
		},
		"refused": func(*Greenlet) {
			g := New(nil)
			cgotest.Call(func() {
				_, err := g.Switch(nil)
				assert.ErrorIs(t, err, ErrNoRun)
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			var over sync.WaitGroup
			for range 20 {
				over.Add(2)
				go func() {
					defer over.Done()
					runtime.LockOSThread() // it ends locked, and the thread ends with it
					root := Current()
					_, _ = New(func(any) (any, error) { return root.Switch(nil) }).Switch(nil) // no call of C, which synchronises
				}()
				go func() {
					defer over.Done()
					in(Current())
				}()
			}
			over.Wait()
		})
	}
}

// A body that a goroutine has left suspended elsewhere than in its yield cannot be resumed, by
// whichever goroutine; the error says so, and not that it is in use.
func TestABodyThatWaitsElsewhereIsLeftThere(t *testing.T) {
	needsFreeTrees(t)
	panicOf := func(f func()) (err error) {
		defer func() { err, _ = recover().(error) }()
		f()
		return nil
	}
	var body *Greenlet
	var next func() (int, bool)
	var stop func()
	elsewhere(func() {
		root := Current()
		next, stop = Pull(func(yield func(int) bool) {
			body = Current()
			_, err := root.Switch("away")
			assert.ErrorIs(t, err, ErrExit)
		})
		assert.ErrorIs(t, panicOf(func() { next() }), errInterrupted)
	})
	for _, f := range []func(){func() { next() }, stop} {
		err := panicOf(f)
		assert.ErrorIs(t, err, ErrWrongThread)
		assert.ErrorIs(t, err, errBusy)
	}
	assert.Equal(t, Suspended, body.State())
}

// A free tree is not bound to a thread if another goroutine has moved a greenlet to it since
// bindToThread has looked for the first time.
func TestAGreenletIsMovedToATreeThatIsBeingBound(t *testing.T) {
	needsFreeTrees(t)
	ready, moved, done := make(chan *tree), make(chan bool), make(chan bool)
	go func() {
		defer close(done)
		root := Current()
		target := currentTree()
		ready <- target
		assert.NoError(t, target.bindToThread())
		<-moved
		if assert.True(t, target.free.Load()) {
			assert.False(t, gort.Locked())
			for c := target.youngest(); c != nil; c = target.youngest() {
				assert.NoError(t, c.userRef().Kill())
			}
		}
		runtime.KeepAlive(root)
	}()
	elsewhere(func() {
		root := Current()
		g := New(func(any) (any, error) { return root.Switch(nil) })
		_, err := g.Switch(nil)
		require.NoError(t, err)
		endingMu.Lock() // as moveOut does
		target := <-ready
		time.Sleep(20 * time.Millisecond) // bindToThread has looked, and waits for the lock by now
		assert.NoError(t, target.moveIn(g.c, currentTree(), func() error { return nil }))
		endingMu.Unlock()
		close(moved)
		<-done
		assert.True(t, g.Dead())
	})
}

// A posted function has entered a section of C code, and so the operation that has called it is refused.
func TestAPostEntersASection(t *testing.T) {
	assert.NoError(t, Run(func(root *Greenlet) error {
		g, c := New(func(any) (any, error) { return 1, nil }), NewCoroutine(func(yield func(int) (int, error), v int) error { return nil })
		for _, operation := range []func() error{
			func() error { _, err := g.Switch(nil); return err },
			func() error { _, _, err := c.Resume(0); return err },
			g.Kill,
		} {
			assert.NoError(t, root.Post(func() { assert.NoError(t, enterSection()) }))
			assert.ErrorIs(t, operation(), errSection)
			assert.ErrorIs(t, operation(), errSection)
			assert.NoError(t, leaveSection())
			assert.Equal(t, Pending, g.State())
		}
		v, err := g.Switch(nil)
		assert.Equal(t, 1, v)
		return err
	}))
}
