package greenlet_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-greenlet/greenlet"
)

// Programs that are legal and unkind. None of them may crash, hang, or lose a
// value; most of them say no more than that the rules still hold.

// Deferred calls may switch, while a panic or a Goexit is under way.
func TestDeferredCallsMaySwitch(t *testing.T) {
	for name, end := range map[string]func(){
		"panic":  func() { panic(errSome) },
		"Goexit": runtime.Goexit,
		"return": func() {},
	} {
		t.Run(name, func(t *testing.T) {
			var steps []string
			exited := make(chan struct{})
			go func() {
				defer close(exited)
				defer func() { _ = recover() }()
				_ = greenlet.Run(func(root *greenlet.Greenlet) error {
					other := greenlet.New(echo)
					g := greenlet.New(func(any) (any, error) {
						defer func() {
							_, err := other.Switch(1) // comes back to the root
							assert.NoError(t, err)
							steps = append(steps, "back in the deferred call")
						}()
						end()
						return nil, nil
					})
					value(t, 1)(g.Switch(nil))
					steps = append(steps, "in the middle")
					assert.Equal(t, greenlet.Suspended, g.State())
					runtime.GC()
					_, err := g.Switch(nil)
					return err
				})
			}()
			<-exited
			assert.Equal(t, []string{"in the middle", "back in the deferred call"}, steps)
		})
	}
}

// Killing whoever waits for us, ancestors and siblings, in all directions.
func TestKillsThatCross(t *testing.T) {
	tree(t, func(root *greenlet.Greenlet) {
		var a, b *greenlet.Greenlet
		var fromB error
		a = greenlet.New(func(any) (any, error) { // waits in a Kill of b
			return nil, b.Kill()
		})
		b = greenlet.New(func(any) (any, error) {
			_, err := root.Switch(nil)
			fromB = a.Kill() // kills the one that is killing it
			return nil, err
		}, greenlet.WithParent(a))
		value(t, nil)(b.Switch(nil))
		_, err := a.Switch(nil)
		assert.True(t, b.Dead())
		assert.True(t, a.Dead())
		assert.NoError(t, fromB)
		assert.NoError(t, err)

		// An ancestor, from below.
		top := greenlet.New(func(any) (any, error) {
			mid := greenlet.Current()
			g := greenlet.New(func(any) (any, error) { return "below", mid.Kill() })
			return g.Switch(nil)
		})
		v, err := top.Switch(nil)
		assert.True(t, top.Dead())
		assert.NoError(t, err)
		assert.Equal(t, "below", v) // its parent is dead: the root gets it
	})
}

// A tracer may do whatever the API offers.
func TestATracerThatDoesEverything(t *testing.T) {
	tree(t, func(root *greenlet.Greenlet) {
		other := greenlet.New(echo)
		value(t, 1)(other.Switch(1))
		calls := 0
		greenlet.SetTrace(func(_ greenlet.Event, origin, target *greenlet.Greenlet) {
			calls++
			_ = target.Stack()
			_ = other.SetParent(root)
			_, _ = greenlet.New(returns(2, nil)).Switch(nil)
			_ = greenlet.New(echo).Kill()
			_, _ = greenlet.New(returns(nil, errSome)).Switch(nil)
			_, _ = target.Throw(errOther) // the current one: returned at once
			greenlet.SetTrace(greenlet.GetTrace())
			_ = greenlet.Run(nil)
			_ = origin.String()
		})
		g := greenlet.New(echo)
		value(t, 3)(g.Switch(3))
		value(t, 4)(g.Switch(4))
		require.NoError(t, g.Kill())
		greenlet.SetTrace(nil)
		assert.Equal(t, 6, calls)
		value(t, 5)(other.Switch(5))
	})
}

// A tracer that kills the greenlet that the switch goes to.
func TestATracerThatKillsTheTargetOrTheOrigin(t *testing.T) {
	for _, victim := range []string{"origin", "target"} {
		t.Run(victim, func(t *testing.T) {
			tree(t, func(root *greenlet.Greenlet) {
				g := greenlet.New(echo)
				value(t, 1)(g.Switch(1))
				var killed []error
				greenlet.SetTrace(func(_ greenlet.Event, origin, target *greenlet.Greenlet) {
					who := map[string]*greenlet.Greenlet{"origin": origin, "target": target}[victim]
					killed = append(killed, who.Kill())
				})
				_, err := g.Switch(2)
				greenlet.SetTrace(nil)
				require.NoError(t, err)
				require.Len(t, killed, 2)
				if victim == "origin" { // the root, then g
					assert.ErrorContains(t, killed[0], "root")
					assert.NoError(t, killed[1])
					assert.True(t, g.Dead())
				} else { // each is the current one
					assert.ErrorIs(t, killed[0], greenlet.ErrExit)
					assert.False(t, g.Dead())
				}
			})
		})
	}
}

// The hook for forgotten ones may use the library, panic, and call Goexit.
func TestAnUnraisableHookThatMisbehaves(t *testing.T) {
	for name, do := range map[string]func(g *greenlet.Greenlet){
		"switches": func(*greenlet.Greenlet) { _, _ = greenlet.New(returns(1, nil)).Switch(nil) },
		"kills":    func(g *greenlet.Greenlet) { _ = g.Kill() },
		"panics":   func(*greenlet.Greenlet) { panic(errSome) },
		"exits":    func(*greenlet.Greenlet) { runtime.Goexit() },
	} {
		t.Run(name, func(t *testing.T) {
			called := false
			previous := greenlet.SetUnraisableHook(func(g *greenlet.Greenlet, _ error) {
				if g.Name() == "forgotten" { // and not one that an earlier test has left to the collector
					called = true
					do(g)
				}
			})
			defer func() { greenlet.SetUnraisableHook(previous) }()
			exited := make(chan struct{})
			go func() {
				defer close(exited)
				defer func() { _ = recover() }()
				_ = greenlet.Run(func(root *greenlet.Greenlet) error {
					func() {
						g := greenlet.New(func(any) (any, error) {
							_, _ = root.Switch(nil)
							return nil, errSome
						}, greenlet.WithName("forgotten"))
						_, _ = g.Switch(nil)
					}()
					waitFor(t, func() bool {
						_, err := root.Switch(nil)
						return called && err == nil
					})
					return nil
				})
			}()
			<-exited
			assert.True(t, called)
		})
	}
}

// Pending greenlets are re-parented, started, killed and read by everybody at once.
func TestAPendingGreenletInEverybodysHands(t *testing.T) {
	const n = 200
	shared := make([]*greenlet.Greenlet, n)
	var ran sync.Map
	for i := range shared {
		shared[i] = greenlet.New(func(any) (any, error) {
			if _, twice := ran.LoadOrStore(i, true); twice {
				t.Errorf("%d ran twice", i)
			}
			return i, nil
		})
	}
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			assert.NoError(t, greenlet.Run(func(root *greenlet.Greenlet) error {
				for i, g := range shared {
					switch (i + w) % 4 {
					case 0:
						_ = g.SetParent(root)
					case 1:
						_ = g.SetParent(shared[(i+w)%n])
					case 2:
						_, _ = g.Switch(nil)
					default:
						_ = g.String()
						_ = g.Parent()
						_ = g.Dead()
					}
				}
				return nil
			}))
		}()
	}
	wg.Wait()
}

// A root whose goroutine ends, in each way, with greenlets suspended, some of them
// in the middle of a deferred call.
func TestAGoroutineEndsAtAnyPoint(t *testing.T) {
	for name, end := range map[string]func(){
		"return": func() {},
		"Goexit": runtime.Goexit,
		"panic":  func() { panic(errSome) },
	} {
		t.Run(name, func(t *testing.T) {
			for range 20 {
				var g *greenlet.Greenlet
				offMainThread(func() {
					defer func() { _ = recover() }()
					root := greenlet.Current()
					g = greenlet.New(func(any) (any, error) {
						defer func() { _, _ = root.Switch(nil) }()
						return nil, nil
					})
					_, _ = g.Switch(nil)
					end()
				})
				waitFor(t, g.Dead)
				_, err := g.Switch(nil)
				assert.ErrorIs(t, err, greenlet.ErrThreadExited)
			}
		})
	}
}

// Options that mean nothing, and parents that are no good.
func TestOptionsThatMeanNothing(t *testing.T) {
	tree(t, func(root *greenlet.Greenlet) {
		dead := greenlet.New(returns(nil, nil))
		value(t, nil)(dead.Switch(nil))
		var noContext context.Context
		for _, o := range []greenlet.Option{
			nil, greenlet.WithParent(nil), greenlet.WithParent(&greenlet.Greenlet{}), greenlet.WithParent(dead),
			greenlet.WithName(""), greenlet.WithContext(noContext), greenlet.WithStackSize(1),
		} {
			value(t, 1)(greenlet.New(returns(1, nil), o).Switch(nil))
		}
	})
}

// Errors that are themselves PanicErrors, joined ones.
func TestStrangeErrorsTravel(t *testing.T) {
	tree(t, func(root *greenlet.Greenlet) {
		for _, e := range []error{
			&greenlet.PanicError{}, &greenlet.PanicError{Value: greenlet.ErrExit},
			errors.Join(errSome, errOther), fmt.Errorf("%w and %w", errSome, greenlet.ErrWrongThread),
		} {
			func() {
				defer func() { assert.Nil(t, recover()) }()
				_, err := greenlet.New(returns(nil, e)).Switch(nil)
				if !errors.Is(e, greenlet.ErrExit) {
					assert.Equal(t, e, err)
				}
			}()
		}
	})
}
