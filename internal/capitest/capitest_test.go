//go:build cgo && linux

package capitest_test

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-greenlet/greenlet"
	"github.com/go-greenlet/greenlet/internal/capitest"
	"github.com/go-greenlet/greenlet/internal/fault"
	"github.com/go-greenlet/greenlet/internal/handle"
)

// run calls f in a tree and looks for handles that are left over.
func run(t *testing.T, f func(root *greenlet.Greenlet)) {
	t.Helper()
	require.NoError(t, greenlet.Run(func(root *greenlet.Greenlet) error { f(root); return nil }))
}

// C programs in C alone, on a goroutine's thread and on their own.
func TestSuitesInC(t *testing.T) {
	for name, suite := range capitest.Suites {
		t.Run(name, func(t *testing.T) {
			run(t, func(*greenlet.Greenlet) {
				require.NoError(t, suite())
				before := handle.Live() // with those of idle workers
				for range 5 {
					require.NoError(t, suite())
				}
				assert.LessOrEqual(t, handle.Live(), before, "handles that are left")
			})
		})
	}
}

func TestABodyInC(t *testing.T) {
	run(t, func(root *greenlet.Greenlet) {
		g := greenlet.NewC(capitest.Echo, nil, greenlet.WithName("in C"))
		handles := handle.Live()
		type thing struct{ n int }
		x := &thing{7}
		for _, v := range []any{nil, x, "text", 3.5, uintptr(5), unsafe.Pointer(capitest.Echo), root} {
			got, err := g.Switch(v)
			require.NoError(t, err)
			assert.Equal(t, v, got)
		}
		assert.LessOrEqual(t, handle.Live(), handles+3, "each handle is used up")
		oops := errors.New("oops")
		_, err := g.Throw(oops)
		assert.Equal(t, oops, err, "the same error that it was")
		assert.True(t, g.Dead())

		_, err = greenlet.NewC(nil, nil).Switch(1)
		assert.ErrorIs(t, err, greenlet.ErrNoRun)

		g = greenlet.NewC(capitest.Echo, nil)
		_, err = g.Switch(1)
		require.NoError(t, err)
		_, err = g.Throw(greenlet.CError(9))
		assert.Equal(t, greenlet.CError(9), err)
		assert.EqualError(t, err, "C code 9")

		g = greenlet.NewC(capitest.Echo, nil)
		_, err = g.Switch(1)
		require.NoError(t, err)
		require.NoError(t, g.Kill())
	})
}

// Go functions as bodies of greenlets that C makes, and what becomes of their ends.
func TestABodyInGoMadeByC(t *testing.T) {
	run(t, func(*greenlet.Greenlet) {
		start := func(f func(any) (any, error)) (any, error) {
			return greenlet.NewC(capitest.Start, nil).Switch(f)
		}
		v, err := start(func(v any) (any, error) { return v.(uintptr) * 6, nil })
		require.NoError(t, err)
		assert.Equal(t, uintptr(42), v)

		oops := errors.New("oops")
		_, err = start(func(any) (any, error) { return nil, oops })
		assert.Equal(t, oops, err)

		// A panic goes through C as a code, and goes on.
		p := func() (p any) {
			defer func() { p = recover() }()
			_, _ = start(func(any) (any, error) { panic("ouch") })
			return nil
		}()
		require.IsType(t, &greenlet.PanicError{}, p)
		assert.Equal(t, "ouch", p.(*greenlet.PanicError).Value)

		_, err = greenlet.NewC(capitest.Start, nil).Switch("no function")
		assert.ErrorContains(t, err, "greenlet_new_go of a string")
	})
}

// C is told of an end only by an ErrExit that is alone: what is joined with it is an
// error of Go, which the body passes on.
func TestAnErrorJoinedWithExitInC(t *testing.T) {
	run(t, func(*greenlet.Greenlet) {
		g := greenlet.NewC(capitest.Echo, nil)
		_, err := g.Switch(1)
		require.NoError(t, err)
		joined := errors.Join(greenlet.ErrExit, errors.New("oops"))
		_, err = g.Throw(joined)
		assert.Equal(t, joined, err)

		g = greenlet.NewC(capitest.Echo, nil)
		v, err := g.Switch(joined)
		require.NoError(t, err)
		assert.Equal(t, joined, v, "as a value, too")
		require.NoError(t, g.Kill())
	})
}

// What a switch from C refuses, it has not touched: the value is C's still.
func TestARefusedValueIsNotLost(t *testing.T) {
	run(t, func(*greenlet.Greenlet) {
		g := greenlet.NewC(capitest.Refused, nil)
		v, err := g.Switch("a value of Go")
		require.NoError(t, err)
		assert.Equal(t, "a value of Go", v)
		_, err = g.Switch(nil)
		require.NoError(t, err)
	})
}

type badError struct{ text string }

func (e *badError) Error() string { return e.text } // panics if it is nil

// No panic of a program's own methods gets into C.
func TestErrorsWhoseMethodsPanic(t *testing.T) {
	f := func(any) (any, error) { var e *badError; return nil, e }
	run(t, func(*greenlet.Greenlet) {
		returns := capitest.Returns()
		_, err := greenlet.NewC(capitest.Start, nil).Switch(f)
		assert.True(t, err == error((*badError)(nil)), "the same")
		assert.Equal(t, returns+1, capitest.Returns())
	})
	code, text := capitest.StartThread(f)
	assert.Equal(t, capitest.EGo, code)
	assert.Contains(t, text, "badError, whose methods panic")
}

// A Goexit is a code to C, and goes on when the body returns that.
func TestGoexitUnderC(t *testing.T) {
	f := func(any) (any, error) { runtime.Goexit(); return nil, nil }
	returns := capitest.Returns()
	done, exited := make(chan bool), false
	go func() {
		defer close(done)
		_ = greenlet.Run(func(*greenlet.Greenlet) error {
			exited = true
			_, _ = greenlet.NewC(capitest.Start, nil).Switch(f)
			exited = false
			return nil
		})
		exited = false
	}()
	<-done
	assert.True(t, exited)
	assert.Equal(t, returns+1, capitest.Returns(), "C is not left in between")

	code, text := capitest.StartThread(f)
	assert.Equal(t, capitest.EGoexit, code)
	assert.Contains(t, text, "runtime.Goexit")
	assert.Equal(t, returns+2, capitest.Returns())
}

// What a body passes on is what its code says, whatever else it has heard of meanwhile.
func TestCodesPassOnTheirOwn(t *testing.T) {
	const passed = 0
	outcome := func(f func(any) (any, error)) (p any, exited bool, err error) {
		done := make(chan bool)
		go func() {
			defer close(done)
			_ = greenlet.Run(func(*greenlet.Greenlet) error {
				exited = true
				defer func() { p = recover() }()
				_, err = greenlet.NewC(capitest.CleansUp, nil).Switch(f)
				exited = false
				return nil
			})
		}()
		<-done
		return p, exited, err
	}
	p, exited, err := outcome(func(any) (any, error) { return passed, nil })
	assert.NoError(t, err)
	assert.Nil(t, p)
	assert.False(t, exited)
	p, _, _ = outcome(func(any) (any, error) { panic("the panic") })
	require.IsType(t, &greenlet.PanicError{}, p)
	assert.Equal(t, "the panic", p.(*greenlet.PanicError).Value)
	p, exited, _ = outcome(func(any) (any, error) { runtime.Goexit(); return nil, nil })
	assert.Nil(t, p)
	assert.True(t, exited)
	p, exited, err = outcome(func(any) (any, error) { return nil, errors.New("the first") })
	assert.ErrorContains(t, err, "-12345", "the last of this kind")
	assert.Nil(t, p)
	assert.False(t, exited)
}

// An error that is several has the same code every time.
func TestCodesOfJoinedErrors(t *testing.T) {
	for range 50 {
		code, _ := capitest.StartThread(func(any) (any, error) {
			return nil, errors.Join(greenlet.ErrNoRun, greenlet.CError(3), greenlet.ErrCyclicParent)
		})
		require.Equal(t, capitest.ECycle, code)
		code, _ = capitest.StartThread(func(any) (any, error) { panic(greenlet.ErrNoRun) })
		require.Equal(t, capitest.EPanic, code)
	}
	code, _ := capitest.StartThread(func(any) (any, error) { return nil, fmt.Errorf("wrapped: %w", greenlet.CError(3)) })
	assert.Equal(t, 3, code)
	code, _ = capitest.StartThread(nil)
	assert.Equal(t, capitest.ENoRun, code)
}

// A section that is open at the end of Run is Run's error, not that of who is killed.
func TestASectionAtTheEndOfRun(t *testing.T) {
	var g *greenlet.Greenlet
	quiet := false
	err := greenlet.Run(func(root *greenlet.Greenlet) error {
		g = greenlet.New(func(any) (any, error) {
			_, err := root.Switch(nil)
			quiet = err == greenlet.ErrExit
			return nil, err
		})
		_, err := g.Switch(nil)
		require.NoError(t, err)
		require.Zero(t, capitest.EnterSection())
		return nil
	})
	assert.ErrorContains(t, err, "greenlet: Run from root")
	assert.ErrorContains(t, err, "inside a section")
	assert.NotContains(t, err.Error(), "\n", "nothing else")
	assert.True(t, quiet)
	run(t, func(*greenlet.Greenlet) {
		_, err := greenlet.New(func(any) (any, error) { return nil, nil }).Switch(nil)
		assert.NoError(t, err)
	})
}

// A greenlet that has asked for itself in C is forgotten all the same.
func TestItsOwnReferenceDoesNotHoldIt(t *testing.T) {
	run(t, func(*greenlet.Greenlet) {
		before := handle.Live()
		func() { // when it returns, nothing refers to them
			held := make([]*greenlet.Greenlet, 100)
			for i := range held {
				held[i] = greenlet.NewC(capitest.Echo, nil)
				_, err := held[i].Switch(nil)
				require.NoError(t, err)
			}
			require.Greater(t, handle.Live(), before+100)
			runtime.KeepAlive(held)
		}()
		for range 50 {
			runtime.GC()
			_, err := greenlet.New(func(any) (any, error) { return nil, nil }).Switch(nil)
			require.NoError(t, err)
		}
		assert.Less(t, handle.Live(), before+100)
	})
}

// A body that returns that there was an error of Go, and there was none.
func TestABodyThatPassesOnNothing(t *testing.T) {
	run(t, func(*greenlet.Greenlet) {
		for code, want := range map[int]string{
			capitest.EGo:     "an error of Go",
			capitest.EPanic:  "a panic of Go",
			capitest.EGoexit: "a runtime.Goexit of Go",
		} {
			_, err := greenlet.NewC(capitest.Code, unsafe.Add(nil, code)).Switch(nil)
			assert.EqualError(t, err, fmt.Sprintf("greenlet: a C body returned %d: %s, but it was told of none", code, want))
		}
	})
}

// By a greenlet's own reference every thread may ask, and its own one may use it; that
// neither holds it nor makes it be forgotten for good.
func TestItsOwnReferenceElsewhere(t *testing.T) {
	run(t, func(*greenlet.Greenlet) {
		before := handle.Live()
		var stop atomic.Bool
		var asking sync.WaitGroup
		for range 2 {
			asking.Add(1)
			go func() {
				defer asking.Done()
				for !stop.Load() {
					capitest.Ask()
				}
			}()
		}
		collect := func() {
			runtime.GC()
			_, err := greenlet.New(func(any) (any, error) { return nil, nil }).Switch(nil)
			require.NoError(t, err)
		}
		for range 50 {
			g := greenlet.NewC(capitest.Named, nil)
			for range 20 {
				_, err := g.Switch(1)
				require.NoError(t, err)
			}
			assert.Equal(t, int(greenlet.Suspended), capitest.Ask())
			elsewhere := make(chan int)
			go func() { elsewhere <- capitest.Adopt() }()
			assert.Equal(t, capitest.EThread, <-elsewhere)
			assert.Zero(t, capitest.Adopt())
			runtime.KeepAlive(g)
			collect()
		}
		stop.Store(true)
		asking.Wait()
		for range 20 {
			collect()
			time.Sleep(time.Millisecond)
		}
		assert.Less(t, handle.Live(), before+25)
	})
}

// A forgotten greenlet that is asked before it is killed is killed all the same.
func TestAForgottenGreenletIsAsked(t *testing.T) {
	run(t, func(*greenlet.Greenlet) {
		func() {
			_, err := greenlet.NewC(capitest.Named, nil).Switch(1)
			require.NoError(t, err)
		}()
		runtime.GC()
		runtime.GC()
		time.Sleep(20 * time.Millisecond) // it is known by now
		assert.Equal(t, int(greenlet.Suspended), capitest.Ask())
		for range 20 {
			_, err := greenlet.New(func(any) (any, error) { return nil, nil }).Switch(nil)
			require.NoError(t, err)
			runtime.GC()
			time.Sleep(time.Millisecond)
		}
		assert.Equal(t, capitest.EFreed, capitest.Ask())
	})
}

// What passes control, in Go, from a section that C has entered.
func TestSectionsHoldInGo(t *testing.T) {
	const refused = "a section of C code must not be left"
	run(t, func(root *greenlet.Greenlet) {
		g := greenlet.NewC(capitest.Echo, nil)
		_, err := g.Switch(1)
		require.NoError(t, err)
		yielded := 0
		next, stop := greenlet.Pull(func(yield func(int) bool) {
			yield(1)
			capitest.InSection(func() {
				defer func() { assert.ErrorContains(t, recover().(error), refused) }()
				yield(2)
			})
			yielded++
			yield(3)
		})
		first, _ := next()
		assert.Equal(t, 1, first)
		c := greenlet.NewCoroutine(func(yield func(int) (int, error), _ int) error {
			capitest.InSection(func() {
				_, err := yield(1)
				assert.ErrorContains(t, err, refused)
			})
			return nil
		})

		capitest.InSection(func() {
			_, err := g.Switch(1)
			assert.ErrorContains(t, err, refused)
			_, err = g.Throw(nil)
			assert.ErrorContains(t, err, refused)
			assert.ErrorContains(t, g.Kill(), refused)
			_, _, err = c.Resume(0)
			assert.ErrorContains(t, err, refused)
			assert.Panics(t, func() { next() })
			runtime.GC() // which finds that this one is forgotten
			capitest.InSection(func() {})
			_, err = g.Switch(1)
			assert.ErrorContains(t, err, refused, "in the outer one still")
			assert.Equal(t, root, greenlet.Current())
			if strings.HasPrefix(greenlet.Runtime(), "one M") { // elsewhere the greenlet itself has to be asked
				assert.NotEmpty(t, g.Stack(), "this does not pass control")
			}
		})
		v, err := g.Switch(2)
		require.NoError(t, err)
		assert.Equal(t, 2, v)
		_, ok, err := c.Resume(0)
		assert.NoError(t, err)
		assert.False(t, ok)
		third, _ := next()
		assert.Equal(t, 3, third)
		assert.Equal(t, 1, yielded)
		stop()
		require.NoError(t, g.Kill())
	})
}

// A section on a goroutine without greenlets leaves nothing behind.
func TestASectionWithoutGreenlets(t *testing.T) {
	done := make(chan bool)
	go func() {
		defer close(done)
		g := greenlet.New(func(v any) (any, error) { return v, nil })
		capitest.InSection(func() {
			_, err := g.Switch(1)
			assert.ErrorContains(t, err, "a section of C code must not be left")
		})
		v, err := g.Switch(1)
		assert.NoError(t, err)
		assert.Equal(t, 1, v)
	}()
	<-done
}

// One that leaves nothing behind leaves no root behind, either.
func TestASectionAlone(t *testing.T) {
	done := make(chan bool)
	go func() {
		defer close(done)
		capitest.InSection(func() {})
		assert.NoError(t, greenlet.Run(func(*greenlet.Greenlet) error { return nil }), "there is no tree here")
	}()
	<-done
}

// A section ends with its greenlet, however that ends.
func TestASectionOfAGreenletThatExits(t *testing.T) {
	done := make(chan bool)
	go func() {
		defer close(done)
		_ = greenlet.Run(func(*greenlet.Greenlet) error {
			defer func() {
				_, err := greenlet.New(func(any) (any, error) { return nil, nil }).Switch(nil)
				assert.NoError(t, err)
			}()
			_, _ = greenlet.New(func(any) (any, error) {
				assert.Zero(t, capitest.EnterSection())
				runtime.Goexit()
				return nil, nil
			}).Switch(nil)
			assert.Fail(t, "must not go on")
			return nil
		})
	}()
	<-done
}

// What a root takes cannot be had.
func TestCurrentFails(t *testing.T) {
	reset := fault.Set(fault.Key, 1, 1)
	defer reset()
	assert.Equal(t, capitest.EGo, capitest.CurrentThread())
	assert.Zero(t, capitest.CurrentThread())
}

// However many sections were entered since anything was switched.
func TestSectionsTakeNoMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("looks at the memory of many")
	}
	run(t, func(*greenlet.Greenlet) {
		live := func() uint64 {
			var m runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&m)
			return m.HeapAlloc
		}
		before := live()
		for range 300_000 {
			capitest.InSection(func() {})
		}
		assert.Less(t, int64(live()-before), int64(1<<20))
	})
}

// A conservative collector of C finds what only a suspended stack has, whoever has
// switched away from it, and nothing of what has ended.
func TestACollectorFindsAllStacks(t *testing.T) {
	thread := func(t *testing.T, secret uintptr) {
		assert.Zero(t, capitest.Find(secret)) // without greenlets
		run(t, func(root *greenlet.Greenlet) {
			var all []*greenlet.Greenlet
			find := func() int { return capitest.Find(secret) }
			add := func(g *greenlet.Greenlet) {
				_, err := g.Switch(nil)
				require.NoError(t, err)
				all = append(all, g)
				assert.Equal(t, len(all), find())
			}
			for range 3 {
				// In C's greenlet_switch, and in a Switch of Go that C has called.
				add(greenlet.NewC(capitest.Holds, uintptrPointer(secret)))
				add(greenlet.New(func(any) (v any, err error) {
					capitest.Hold(secret, func() { v, err = root.Switch(nil) })
					return v, err
				}))
			}
			// The same seen from a greenlet, which has it too, as the root has then.
			capitest.Hold(secret, func() {
				assert.Equal(t, len(all)+1, find())
				_, err := greenlet.New(func(any) (any, error) {
					assert.Equal(t, len(all)+1, find())
					capitest.Hold(secret, func() { assert.Equal(t, len(all)+2, find()) })
					return nil, nil
				}).Switch(nil)
				require.NoError(t, err)
			})
			for n := len(all); n > 0; n-- {
				require.NoError(t, all[n-1].Kill())
				if greenlet.Backend() == "ucontext" { // whose records have room that nobody clears
					assert.GreaterOrEqual(t, find(), n-1)
				} else {
					assert.Equal(t, n-1, find())
				}
			}
		})
	}
	thread(t, 0x5ec3e75ec3e7)
	t.Run("OtherGoroutine", func(t *testing.T) { // whose thread may end with it
		done := make(chan struct{})
		go func() {
			defer close(done)
			runtime.LockOSThread()
			thread(t, 0xca5ecca5ec)
		}()
		<-done
	})
}

// uintptrPointer makes a number a void *, which C alone looks at.
func uintptrPointer(n uintptr) unsafe.Pointer { return *(*unsafe.Pointer)(unsafe.Pointer(&n)) }
