package greenlet_test

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-greenlet/greenlet"
	"github.com/go-greenlet/greenlet/internal/cgotest"
)

func recovered(f func()) (r any) {
	defer func() { r = recover() }()
	f()
	return nil
}

//go:noinline
func thePanickingFunction() { panic(io.EOF) }

func TestAPanicComesOutOfTheParentsSwitch(t *testing.T) {
	tree(t, func(root *greenlet.Greenlet) {
		deferred := false
		g := greenlet.New(func(any) (any, error) {
			defer func() { deferred = true }()
			thePanickingFunction()
			return nil, nil
		})
		p, ok := recovered(func() { _, _ = g.Switch(nil) }).(*greenlet.PanicError)
		require.True(t, ok)
		assert.Equal(t, io.EOF, p.Value)
		assert.ErrorIs(t, p, io.EOF)
		assert.Contains(t, string(p.Stack), "thePanickingFunction")
		assert.True(t, g.Dead())
		assert.True(t, deferred)
		value(t, 1)(root.Switch(1)) // the root goes on
	})
}

func TestAPanicIsNotWrappedAgain(t *testing.T) {
	tree(t, func(root *greenlet.Greenlet) {
		g := greenlet.New(func(any) (any, error) { thePanickingFunction(); return nil, nil })
		for range 3 {
			child := g
			g = greenlet.New(func(any) (any, error) {
				require.NoError(t, child.SetParent(greenlet.Current()))
				return child.Switch(nil)
			})
		}
		p := recovered(func() { _, _ = g.Switch(nil) }).(*greenlet.PanicError)
		assert.Equal(t, io.EOF, p.Value)
		assert.Contains(t, string(p.Stack), "thePanickingFunction")
	})
}

func TestAPanicKillsAPendingParent(t *testing.T) {
	tree(t, func(root *greenlet.Greenlet) {
		p := greenlet.New(func(any) (any, error) { t.Error("must not run"); return nil, nil })
		norun := greenlet.New(nil)
		require.NoError(t, p.SetParent(norun))
		c := greenlet.New(func(any) (any, error) { panic("c") }, greenlet.WithParent(p))
		pe := recovered(func() { _, _ = c.Switch(nil) }).(*greenlet.PanicError)
		assert.Equal(t, "c", pe.Value)
		assert.True(t, p.Dead())
		assert.True(t, norun.Dead())
	})
}

func TestAPanicPassesThroughCFrames(t *testing.T) {
	tree(t, func(root *greenlet.Greenlet) {
		for range 100 {
			g := greenlet.New(func(any) (any, error) {
				cgotest.Call(func() {
					value(t, nil)(root.Switch(nil))
					cgotest.Call(thePanickingFunction)
				})
				return nil, nil
			})
			value(t, nil)(g.Switch(nil))
			p := recovered(func() { _, _ = g.Switch(nil) }).(*greenlet.PanicError)
			require.Equal(t, io.EOF, p.Value)
		}
	})
}

func TestAPanicCanBeRecoveredInsideAndTheGreenletGoesOn(t *testing.T) {
	tree(t, func(root *greenlet.Greenlet) {
		g := greenlet.New(func(any) (any, error) {
			r := recovered(func() { cgotest.Call(thePanickingFunction) })
			v, err := root.Switch(r)
			return v, err
		})
		value(t, io.EOF)(g.Switch(nil))
		value(t, 2)(g.Switch(2))
	})
}

func TestANilPanicIsAPanic(t *testing.T) {
	tree(t, func(root *greenlet.Greenlet) {
		g := greenlet.New(func(any) (any, error) { panic(nil) }) //nolint:govet // on purpose
		p := recovered(func() { _, _ = g.Switch(nil) }).(*greenlet.PanicError)
		assert.IsType(t, &runtime.PanicNilError{}, p.Value)
	})
}

// ---- runtime.Goexit

func TestGoexitGoesUpToTheRoot(t *testing.T) {
	var trace []string
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() { trace = append(trace, "root's defer") }()
		g := greenlet.New(func(any) (any, error) {
			defer func() { trace = append(trace, "g's defer") }()
			h := greenlet.New(func(any) (any, error) {
				defer func() { trace = append(trace, "h's defer") }()
				calledBack(runtime.Goexit)
				return nil, nil
			})
			_, _ = h.Switch(nil)
			t.Error("g must not go on")
			return nil, nil
		})
		_, _ = g.Switch(nil)
		t.Error("the root must not go on")
	}()
	<-done
	assert.Equal(t, []string{"h's defer", "g's defer", "root's defer"}, trace)
}

func TestGoexitKillsAPendingParent(t *testing.T) {
	var p *greenlet.Greenlet
	done := make(chan struct{})
	go func() {
		defer close(done)
		p = greenlet.New(func(any) (any, error) { t.Error("must not run"); return nil, nil })
		c := greenlet.New(func(any) (any, error) { runtime.Goexit(); return nil, nil }, greenlet.WithParent(p))
		_, _ = c.Switch(nil)
		t.Error("the root must not go on")
	}()
	<-done
	assert.True(t, p.Dead())
}

func TestGoexitDuringAKill(t *testing.T) {
	done := make(chan error, 1)
	go func() {
		defer close(done)
		done <- greenlet.Run(func(root *greenlet.Greenlet) error {
			g := suspended(t, func(any, error) (any, error) { runtime.Goexit(); return nil, nil })
			_ = g.Kill()
			t.Error("the root must not go on")
			return nil
		})
		t.Error("nor after Run")
	}()
	assert.NoError(t, <-done)
}

// require failing three greenlets deep inside a C callback must fail that test
// and nothing else. So that is done in a test binary of its own.
func TestRequireFailsInAGreenletInC(t *testing.T) {
	if os.Getenv("GREENLET_TEST_CHILD") == "require" {
		t.Run("fails", func(t *testing.T) {
			g := greenlet.New(func(any) (any, error) {
				return greenlet.New(func(any) (any, error) {
					return greenlet.New(func(any) (any, error) {
						cgotest.Call(func() { require.Equal(t, 1, 2) })
						return nil, nil
					}).Switch(nil)
				}).Switch(nil)
			})
			_, err := g.Switch(nil)
			t.Error("must not go on", err)
		})
		t.Run("passes", func(t *testing.T) { value(t, 3)(greenlet.New(returns(3, nil)).Switch(nil)) })
		return
	}
	out, err := child(t, "require", "-test.run=^"+t.Name()+"$", "-test.v").CombinedOutput()
	var exit *exec.ExitError
	require.ErrorAs(t, err, &exit)
	assert.Equal(t, 1, exit.ExitCode(), "%s", out)
	assert.Contains(t, string(out), "--- FAIL: TestRequireFailsInAGreenletInC/fails")
	assert.Contains(t, string(out), "--- PASS: TestRequireFailsInAGreenletInC/passes")
	assert.NotContains(t, string(out), "must not go on")
}

// emulator runs this test binary, if the Makefile says so.
var emulator = os.Getenv("GREENLET_EMULATOR")

// child is this test binary once more, with a hint to itself what to do.
func child(t testing.TB, what string, args ...string) *exec.Cmd {
	t.Helper()
	if runtime.GOARCH == "wasm" {
		t.Skip("there are no processes here")
	}
	exe, err := os.Executable()
	require.NoError(t, err)
	if emulator != "" {
		args, exe = append([]string{exe}, args...), emulator
	}
	cmd := exec.Command(exe, args...)
	cmd.Env = append(os.Environ(), "GREENLET_TEST_CHILD="+what)
	return cmd
}

func TestAnUnrecoveredPanicAtTheRootEndsTheProcessWithTheStack(t *testing.T) {
	if os.Getenv("GREENLET_TEST_CHILD") == "panic" {
		_, _ = named("npc-13", func(any) (any, error) { thePanickingFunction(); return nil, nil }).Switch(nil)
	}
	out, err := child(t, "panic", "-test.run=^"+t.Name()+"$").CombinedOutput()
	var exit *exec.ExitError
	require.True(t, errors.As(err, &exit), "%s", out)
	assert.Equal(t, 2, exit.ExitCode())
	assert.Regexp(t, `panic: greenlet: panic in npc-13/\d+ \(.*panic_test.go:\d+\): EOF`, string(out))
	assert.Contains(t, string(out), "thePanickingFunction")
}

// A panic says whose it was, in words and as fields.
func TestAPanicSaysWhose(t *testing.T) {
	boom := func(any) (any, error) { panic("boom") }
	where := func(p *greenlet.PanicError) { // what all of this file have in common
		assert.Regexp(t, `^github.com/go-greenlet/greenlet_test\.TestAPanicSaysWhose\.func\d.* at .*/panic_test.go:\d+$`, p.Body)
		assert.Contains(t, p.Error(), p.Body)
	}
	panics := func(f func()) *greenlet.PanicError {
		p, _ := recovered(f).(*greenlet.PanicError)
		require.NotNil(t, p)
		return p
	}
	tree(t, func(root *greenlet.Greenlet) {
		g := named("npc-13", boom)
		p := panics(func() { greenlet.New(func(any) (any, error) { return g.Switch(nil) }).MustSwitch(nil) })
		assert.Equal(t, g.ID(), p.ID)
		assert.Equal(t, "npc-13", p.Name)
		assert.Contains(t, p.Error(), fmt.Sprintf("greenlet: panic in npc-13/%d (", g.ID()))
		assert.Contains(t, p.Error(), "): boom\n")
		where(p)

		g = greenlet.New(boom)
		p = panics(func() { _, _ = g.Switch(nil) })
		assert.Empty(t, p.Name)
		assert.Contains(t, p.Error(), fmt.Sprintf("panic in greenlet/%d (", g.ID()))
		where(p)

		// What is asked for is the function of the user's.
		c := greenlet.NewCoroutine(func(func(int) (int, error), int) error { panic("boom") })
		where(panics(func() { _, _, _ = c.Resume(1) }))
		var seq *greenlet.Greenlet
		next, stop := greenlet.Pull(func(yield func(int) bool) {
			seq = greenlet.Current()
			yield(1)
			panic("boom")
		})
		next()
		err := seq.Kill()
		require.ErrorAs(t, err, &p)
		where(p)
		stop()
	})
}

// A deferred call that panics during a Goexit: the panic is what goes up.
func TestAPanicDuringGoexit(t *testing.T) {
	tree(t, func(root *greenlet.Greenlet) {
		g := greenlet.New(func(any) (any, error) {
			defer func() { panic(io.EOF) }()
			runtime.Goexit()
			return nil, nil
		})
		p := recovered(func() { _, _ = g.Switch(nil) }).(*greenlet.PanicError)
		assert.Equal(t, io.EOF, p.Value)
		assert.True(t, g.Dead())
	})
}
