//go:build cgo && linux

package greenlet_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"runtime/trace"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-greenlet/greenlet"
	"github.com/go-greenlet/greenlet/internal/cgotest"
)

// What others see of greenlets: traces, dumps.

// parsed returns what go tool trace makes of a trace, one event a line.
func parsed(t testing.TB, data []byte) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "trace")
	require.NoError(t, os.WriteFile(file, data, 0o644))
	cmd := exec.Command("go", "tool", "trace", "-d=parsed", file)
	cmd.Env = append(os.Environ(), "GOARCH=", "CC=") // the tool is for where it runs
	out, err := cmd.CombinedOutput()
	tail := out[max(0, len(out)-500):]
	require.NoError(t, err, "%s", tail)
	require.NotContains(t, string(tail), "failed to advance")
	return string(out)
}

// leaveSome makes greenlets that are suspended, in Go and in C, when the thread ends.
func leaveSome(t testing.TB) {
	root := greenlet.Current()
	for i := range 3 {
		g := greenlet.New(func(any) (any, error) {
			if i == 1 {
				cgotest.CallHandle(refusing)
			}
			return root.Switch(nil)
		})
		value(t, nil)(g.Switch(nil))
	}
}

// lifetimes is a round of all ways to begin, to go on, and to end.
func lifetimes(t testing.TB) {
	leave := func() { leaveSome(t) }
	require.NoError(t, cgotest.OnThread(leave))
	offMainThread(leave)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = greenlet.Run(func(*greenlet.Greenlet) error {
			all := crowd(t, 8)
			for _, g := range all {
				_, _ = g.Switch(1)
			}
			runtime.GC()
			for _, g := range all[:4] {
				assert.NoError(t, g.Kill())
			}
			next, stop := greenlet.Pull(count(3))
			next()
			stop()
			// In Go: the tracer crashes on a Goexit below C, without greenlets, too, since
			// the runtime's count of C frames is less by one while its deferred calls run.
			_, _ = greenlet.New(func(any) (any, error) { runtime.Goexit(); return nil, nil }).Switch(nil)
			return nil
		})
	}()
	<-done
}

// What the tracer has of an M that has ended is written when the runtime next looks at
// its list of such Ms. If the thread were to call Go once more as it ends, there would be
// events of another M with the same number before: go tool trace takes them in the order
// in which they are written ("tried to create goroutine in syscall that already exists").
func TestATraceOfThreadsThatEnd(t *testing.T) {
	if raceEnabled {
		t.Skip("it runs go tool trace")
	}
	needsOneM(t, "there the thread calls Go as it ends")
	goTool(t)
	var buf bytes.Buffer
	offMainThread(func() { leaveSome(t) })
	require.NoError(t, trace.Start(&buf))
	for range 50 {
		offMainThread(func() { leaveSome(t) })
		time.Sleep(time.Millisecond)
	}
	trace.Stop()
	parsed(t, buf.Bytes())
}

// A trace in which greenlets begin and end in all ways, and threads with them, over
// several of its generations (of a second each), and with some from before it.
func TestATraceOfEverything(t *testing.T) {
	if raceEnabled {
		t.Skip("it runs go tool trace")
	}
	needsOneM(t, "there all greenlets of a thread have the thread's number in a trace")
	goTool(t)
	var buf bytes.Buffer
	tree(t, func(*greenlet.Greenlet) {
		old := crowd(t, 20)
		lifetimes(t)
		require.NoError(t, trace.Start(&buf))
		for end := time.Now().Add(2200 * time.Millisecond); time.Now().Before(end); {
			lifetimes(t)
			for i, g := range old {
				value(t, i)(g.Switch(i))
			}
			time.Sleep(40 * time.Millisecond) // or the trace gets large
		}
		trace.Stop()
		for i, g := range old {
			value(t, i)(g.Switch(i))
		}
	})
	out := parsed(t, buf.Bytes())
	for _, change := range []string{"NotExist->Waiting", "Running->Waiting", "Running->NotExist"} {
		assert.Contains(t, out, change)
	}
}

// Traces begin and end at any time, also while greenlets switch that have begun before.
func TestTracesInALoop(t *testing.T) {
	if raceEnabled {
		t.Skip("it runs go tool trace")
	}
	needsOneM(t, "there all greenlets of a thread have the thread's number in a trace")
	goTool(t)
	var traces [][]byte
	n := 0
	whileSwitching(t, 20, func() {
		var buf bytes.Buffer
		require.NoError(t, trace.Start(&buf))
		time.Sleep(time.Duration(n%3) * 500 * time.Microsecond)
		if n%4 == 0 {
			lifetimes(t)
		}
		trace.Stop()
		if n++; n%10 < 2 && len(traces) < 3 {
			traces = append(traces, buf.Bytes())
		}
	})
	for _, data := range traces {
		parsed(t, data)
	}
}

// A dump of all goroutines shows suspended greenlets with all of their frames, on both
// sides of C.
func TestDumpsShowThroughC(t *testing.T) {
	needsOneM(t, "there a goroutine in C is in a system call")
	check := func() {
		before := goroutines()
		g := greenlet.New(outermost)
		value(t, nil)(g.Switch(greenlet.Current()))
		var stacks []string
		for id, stack := range goroutines() {
			if before[id] == "" && strings.Contains(stack, "outermost") {
				stacks = append(stacks, stack)
			}
		}
		require.Len(t, stacks, 1)
		assert.Regexp(t, `(?s)^goroutine \d+ \[coroutine\]:\n.*\.innermost\(.*cgotestCallback.*cgotest\.Call\(.*`+
			`\.between\(.*cgotestCallback.*\.outermost\(`, stacks[0])
		require.NoError(t, g.Kill())
	}
	tree(t, func(*greenlet.Greenlet) { check() })
	tree(t, func(*greenlet.Greenlet) { cgotest.Call(check) })
	require.NoError(t, cgotest.OnThread(check))
	var buf bytes.Buffer
	require.NoError(t, trace.Start(&buf)) // another way to switch
	defer trace.Stop()
	tree(t, func(*greenlet.Greenlet) { check() })
}

//go:noinline
func outermost(back any) (any, error) {
	var err error
	cgotest.Call(func() { err = between(back.(*greenlet.Greenlet)) })
	return nil, err
}

//go:noinline
func between(back *greenlet.Greenlet) (err error) {
	cgotest.Call(func() { err = innermost(back) })
	return err
}

//go:noinline
func innermost(back *greenlet.Greenlet) error {
	if _, err := back.Switch(nil); err != nil {
		return fmt.Errorf("killed: %w", err)
	}
	return nil
}

// A greenlet that has a name shows by that in an execution trace.
func TestNamesAreRegionsInExecutionTraces(t *testing.T) {
	needsOneM(t, "there execution traces cannot be read")
	goTool(t)
	var b bytes.Buffer
	require.NoError(t, trace.Start(&b))
	tree(t, func(root *greenlet.Greenlet) {
		for _, end := range []greenlet.Func{returns(nil, nil), returns(nil, errSome)} {
			_, _ = named("npc-13", end).Switch(nil)
		}
		assert.Panics(t, func() { _, _ = named("npc-14", func(any) (any, error) { panic(1) }).Switch(nil) })
		_, _ = greenlet.New(returns(nil, nil)).Switch(nil)
	})
	trace.Stop()
	text := parsed(t, b.Bytes())
	for name, n := range map[string]int{"npc-13": 2, "npc-14": 1} {
		assert.Len(t, regexp.MustCompile(`RegionBegin .*"`+name+`"`).FindAllString(text, -1), n)
		assert.Len(t, regexp.MustCompile(`RegionEnd .*"`+name+`"`).FindAllString(text, -1), n)
	}
	assert.Len(t, regexp.MustCompile(`RegionBegin `).FindAllString(text, -1), 3)
}

// goTool skips the test where there is no go command, as under an emulator.
func goTool(t testing.TB) {
	t.Helper()
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("no go command here")
	}
	if testing.Short() {
		t.Skip("runs a tool of Go's")
	}
}
