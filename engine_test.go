package greenlet_test

import (
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-greenlet/greenlet"
	"github.com/go-greenlet/greenlet/internal/cgotest"
)

func TestRuntimeSaysWhichEngineIsInUse(t *testing.T) {
	want := "one M: layout of go1."
	asked := os.Getenv("GREENLET_RUNTIME")
	because := "GREENLET_RUNTIME=" + asked
	noC := "built without cgo"
	if runtime.GOOS != "linux" {
		noC = "the C core is written for Linux"
	}
	switch {
	case asked == "coro":
		want = "coroswitch: " + because
	case asked == "pull":
		want = "iter.Pull: " + because
	case unknown && !cgotest.Available && hasAssembly:
		want = "coroswitch: " + noC + ", and " + runtime.Version() + " is not known"
		if asked != "" && asked != "auto" && asked != "one-m" {
			want = "coroswitch: " + noC
		}
	case !cgotest.Available && hasAssembly && (asked == "" || asked == "auto" || asked == "one-m"):
		want = "one M, without C: layout of go1."
	case !cgotest.Available:
		want = "coroswitch: " + noC
	case asked == "plain" || asked == "portable":
		want = "portable: " + because
	case asked != "" && asked != "auto" && asked != "one-m":
		want = "portable: GREENLET_RUNTIME=" + strconv.Quote(asked) + " is none of auto, one-m, portable (or plain), coro and pull"
	case asan || greenlet.Backend() == "ucontext":
		want = "portable: built "
	case unknown:
		want = "portable: " + runtime.Version() + " is not known"
	case !hasAssembly:
		want = "portable: there is no assembly for this CPU"
	}
	assert.True(t, strings.HasPrefix(greenlet.Runtime(), want), "%s", greenlet.Runtime())
}

const hasAssembly = runtime.GOOS == "linux" && (runtime.GOARCH == "amd64" || runtime.GOARCH == "arm64" || runtime.GOARCH == "riscv64") ||
	runtime.GOOS == "windows" && runtime.GOARCH == "amd64" && !cgoEnabled

func TestTheEngineThatIsAskedFor(t *testing.T) {
	for _, v := range []string{"", "auto", "one-m", "plain", "portable", "coro", "pull", "typo"} {
		out, err := onEngine(t, v, "TestRuntimeSaysWhichEngineIsInUse").CombinedOutput()
		assert.NoError(t, err, "%s", out)
	}
}

// onEngine runs a test in a process of its own on the engine of that name.
func onEngine(t testing.TB, name, test string) *exec.Cmd {
	cmd := child(t, "engine", "-test.v", "-test.run=^"+test+"$")
	cmd.Env = append(cmd.Env, "GREENLET_RUNTIME="+name)
	return cmd
}

// onLines says that greenlets are coroutines of the runtime's as they are.
func onLines() bool {
	return strings.HasPrefix(greenlet.Runtime(), "coroswitch") || strings.HasPrefix(greenlet.Runtime(), "iter.Pull")
}

// The runtime ends the process when a coroutine of its own is left in a callback from C; and
// where there are no C stacks, whoever called it is on the stack that all share.
func TestNoGreenletIsLeftInACallback(t *testing.T) {
	if !hasCallbacks {
		t.Skip("nothing calls Go back here")
	}
	if oneM() && !cgotest.Available {
		out, err := onEngine(t, "coro", t.Name()).CombinedOutput()
		assert.NoError(t, err, "%s", out)
		assert.Contains(t, string(out), "--- PASS: "+t.Name())
	} else if !onLines() {
		for _, engine := range []string{"coro", "pull"} {
			out, err := onEngine(t, engine, t.Name()).CombinedOutput()
			assert.NoError(t, err, "%s: %s", engine, out)
			assert.Contains(t, string(out), "--- PASS: "+t.Name())
		}
		return
	}
	const refusal = "a function that C, or the system, calls back"
	check := func(root *greenlet.Greenlet) {
		other := greenlet.New(returns(1, nil))
		next, stop := greenlet.Pull(func(yield func(int) bool) {
			calledBack(func() {
				assert.ErrorContains(t, recovered(func() { yield(1) }).(error), refusal)
			})
			yield(2)
		})
		g := greenlet.New(func(any) (any, error) {
			calledBack(func() {
				_, err := root.Switch(1)
				assert.ErrorContains(t, err, refusal)
				_, err = other.Switch(nil)
				assert.ErrorContains(t, err, refusal)
				assert.ErrorContains(t, recovered(func() { next() }).(error), refusal)
				if onLines() { // else nobody has to switch to look
					assert.Nil(t, root.Stack())
				}
				assert.ErrorContains(t, other.Kill(), refusal)
			})
			return root.Switch(2)
		})
		value(t, 2)(g.Switch(nil))
		calledBack(func() {
			assert.ErrorContains(t, g.Kill(), refusal)
		})
		value(t, 3)(g.Switch(3))
		v, ok := next()
		assert.True(t, ok)
		assert.Equal(t, 2, v)
		stop()
		value(t, 1)(other.Switch(nil))
	}
	tree(t, check)
	done := make(chan struct{})
	go func() { // and without Run, where the goroutine need not be locked
		defer close(done)
		check(greenlet.Current())
	}()
	<-done
	// The other way round it is allowed: all of the tree is in the callback.
	calledBack(func() { tree(t, check) })
	require.NoError(t, calledBackOnThread(func() { tree(t, check) }))
}

// What ends in a callback by a panic ends as elsewhere, and the thread's next greenlets do not
// see anything of it. (Of Goexit that is TestGoexitGoesUpToTheRoot.)
func TestAGreenletEndsInACallback(t *testing.T) {
	if !hasCallbacks {
		t.Skip("nothing calls Go back here")
	}
	tree(t, func(root *greenlet.Greenlet) {
		for range 3 {
			g := greenlet.New(func(any) (any, error) {
				calledBack(func() { panic("inside") })
				return nil, nil
			})
			assert.ErrorContains(t, recovered(func() { _, _ = g.Switch(nil) }).(error), "inside")
			h := greenlet.New(echo)
			for i := range 3 {
				value(t, i)(h.Switch(i))
			}
		}
	})
}

// What a greenlet locks and unlocks is its own, also where the runtime wants to have the
// same counts at every switch.
func TestLocksOfAGreenlet(t *testing.T) {
	tree(t, func(root *greenlet.Greenlet) {
		body := func(before, after int) greenlet.Func {
			lock := func(n int) {
				for ; n > 0; n-- {
					runtime.LockOSThread()
				}
				for ; n < 0; n++ {
					runtime.UnlockOSThread()
				}
			}
			return func(any) (any, error) {
				lock(before)
				greenlet.New(returns(nil, nil)).MustSwitch(nil)
				v, err := root.Switch(1)
				lock(after)
				return v, err
			}
		}
		for _, locks := range [][2]int{{2, -2}, {-2, 2}, {3, 0}, {-3, 0}, {1, 1}} {
			g := greenlet.New(body(locks[0], locks[1]))
			h := greenlet.New(body(0, 0))
			value(t, 1)(g.Switch(nil))
			value(t, 1)(h.Switch(nil))
			value(t, 2)(g.Switch(2))
			value(t, 3)(h.Switch(3))
			k := greenlet.New(body(locks[1], locks[0]))
			value(t, 1)(k.Switch(nil))
			require.NoError(t, k.Kill())
		}
	})
}

func oneM() bool { return strings.HasPrefix(greenlet.Runtime(), "one M") }

func needsOneM(t testing.TB, why string) {
	t.Helper()
	if !oneM() {
		t.Skipf("%s (%s)", why, greenlet.Runtime())
	}
}

// needsC skips a test of what there is only with C.
func needsC(t testing.TB) {
	t.Helper()
	if !cgotest.Available {
		t.Skip("there is no C here")
	}
}

func names(frames []runtime.Frame) (n []string) {
	for _, f := range frames {
		n = append(n, f.Function)
	}
	return n
}

// needsThreads skips a test of what happens on several threads.
func needsThreads(t testing.TB) {
	t.Helper()
	if runtime.GOARCH == "wasm" {
		t.Skip("there are no threads here")
	}
}
