//go:build cgo && linux

package greenlet_test

import (
	"bytes"
	"context"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"runtime/trace"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-greenlet/greenlet"
	"github.com/go-greenlet/greenlet/internal/cgotest"
	"github.com/go-greenlet/greenlet/internal/fault"
)

//go:noinline
func spin(d time.Duration) {
	for end := time.Now().Add(d); time.Now().Before(end); {
	}
}

// spinTight burns time without a function call or a check for preemption: only a
// signal can stop it.
//
//go:noinline
func spinTight(n int) (x int) {
	for i := range n {
		x += i * i
	}
	return x
}

// sink takes results that nobody needs, so that they are computed.
var sink atomic.Int64

// A tight loop in a greenlet that has been switched to and fro beside collections
// does not hold a collection up for as long as it runs.
func TestATightLoopDoesNotDelayTheCollector(t *testing.T) {
	if testing.Short() || raceEnabled || emulator != "" {
		t.Skip("it measures times")
	}
	// How many rounds take about a fifth of a second?
	rounds := 10_000_000
	begin := time.Now()
	sink.Store(int64(spinTight(rounds)))
	rounds = int(float64(rounds) * float64(time.Second/5) / float64(time.Since(begin)))

	tree(t, func(root *greenlet.Greenlet) {
		stop := make(chan struct{})
		var done atomic.Int32
		var wg sync.WaitGroup
		wg.Add(1)
		go func() {
			defer wg.Done()
			for {
				select {
				case <-stop:
					return
				default:
					runtime.GC()
					done.Add(1)
				}
			}
		}()
		// These switch beside collections, so that signals for one come while another runs.
		var all []*greenlet.Greenlet
		for range 10 {
			all = append(all, greenlet.New(func(v any) (_ any, err error) {
				for err == nil {
					if f, ok := v.(func()); ok {
						f()
					}
					v, err = root.Switch(nil)
				}
				return nil, err
			}))
		}
		for begin := done.Load(); done.Load() < begin+200; {
			for _, g := range all {
				value(t, nil)(g.Switch(nil))
			}
		}
		// While the loop runs, collections begin and end, as they do beside the same loop
		// of a goroutine: a loop that cannot be stopped lets one begin, and none end. On a
		// machine that has no time for either, there is nothing to be seen.
		spin := func(in func(f func())) (collections int32) {
			in(func() {
				before := done.Load()
				sink.Store(int64(spinTight(rounds)))
				collections = done.Load() - before
			})
			return collections
		}
		var here, control int32
		for _, g := range all {
			for range 10 {
				here = spin(func(f func()) { value(t, nil)(g.Switch(f)) })
				if here > 1 {
					break
				}
				control = max(control, spin(func(f func()) {
					var wg sync.WaitGroup
					wg.Add(1)
					go func() { defer wg.Done(); f() }()
					wg.Wait()
				}))
			}
			if here <= 1 {
				break
			}
		}
		close(stop)
		wg.Wait()
		if here <= 1 && control <= 1 {
			t.Skip("collections do not get on here, beside a goroutine either")
		}
		assert.Greater(t, here, int32(1), "collections that have ended; beside a goroutine: %d", control)
	})
}

// With any number of live greenlets, started before or during the profile, a CPU
// profile has as many samples for the CPU time that was spent as it has without
// greenlets, on the right function.
func TestCPUProfilesCountTheTimeOnce(t *testing.T) {
	if testing.Short() || raceEnabled || emulator != "" {
		t.Skip("it measures times")
	}
	needsOneM(t, "there every M has its own timer, of the whole thread's time")
	if os.Getenv("GREENLET_TEST_CHILD") != "profile" {
		out, err := child(t, "profile", "-test.run=^"+t.Name()+"$", "-test.v").CombinedOutput()
		t.Logf("%s", out)
		require.NoError(t, err)
		return
	}
	round := func() { cgotest.Call(func() { sink.Store(int64(spinTight(100_000))) }) }
	// The same without greenlets, on a machine that is as busy.
	control := func() float64 {
		var prof bytes.Buffer
		begin := cpuTime(t)
		require.NoError(t, pprof.StartCPUProfile(&prof))
		for cpuTime(t)-begin < time.Second {
			round()
		}
		pprof.StopCPUProfile()
		spent := cpuTime(t) - begin
		total, _ := profileSamples(t, prof.Bytes())
		t.Logf("without greenlets: %v of samples in %v of CPU time", total, spent)
		return total.Seconds() / spent.Seconds()
	}
	// A busy machine loses ticks, of the one or of the other; to lose none is right.
	right := func(ratio, control float64) bool {
		return math.Abs(ratio-control) < 0.08 || math.Abs(ratio-1) < 0.08
	}
	for _, live := range []int{1, 200, 10_000} {
		tree(t, func(root *greenlet.Greenlet) {
			var all []*greenlet.Greenlet
			add := func(n int) {
				for range n {
					g := greenlet.New(func(any) (any, error) {
						for {
							// By a call from C, so that the runtime looks at its timers.
							round()
							if _, err := root.Switch(nil); err != nil {
								return nil, err
							}
						}
					})
					value(t, nil)(g.Switch(nil))
					all = append(all, g)
				}
			}
			add((live + 1) / 2)
			measure := func(more int) (ratio, loop float64) {
				var prof bytes.Buffer
				begin := cpuTime(t)
				require.NoError(t, pprof.StartCPUProfile(&prof))
				add(more)
				for i := 0; cpuTime(t)-begin < time.Second; i++ {
					for j := range 100 {
						value(t, nil)(all[(100*i+j)%len(all)].Switch(nil))
					}
				}
				pprof.StopCPUProfile()
				spent := cpuTime(t) - begin
				total, tight := profileSamples(t, prof.Bytes())
				t.Logf("%d live: %v of samples in %v of CPU time", live, total, spent)
				return total.Seconds() / spent.Seconds(), tight.Seconds() / total.Seconds()
			}
			want := control()
			ratio, loop := measure(live / 2)
			for range 3 { // a busy machine loses ticks, and has some come late
				if right(ratio, want) {
					break
				}
				want = control()
				ratio, loop = measure(live / 10)
			}
			assert.True(t, right(ratio, want), "%v of the time, where a program without greenlets has %v", ratio, want)
			assert.Greater(t, loop, 0.5)
		})
	}
}

func cpuTime(t testing.TB) time.Duration {
	t.Helper()
	var u syscall.Rusage
	require.NoError(t, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// profileSamples asks go tool pprof for the time of all samples and of spinTight.
func profileSamples(t testing.TB, prof []byte) (total, tight time.Duration) {
	t.Helper()
	goTool(t)
	file := filepath.Join(t.TempDir(), "cpu.prof")
	require.NoError(t, os.WriteFile(file, prof, 0o644))
	out, err := exec.Command("go", "tool", "pprof", "-top", "-unit=ns", file).CombinedOutput()
	require.NoError(t, err, "%s", out)
	for _, line := range strings.Split(string(out), "\n") {
		f := strings.Fields(line)
		switch {
		case strings.HasPrefix(line, "Showing nodes") || strings.Contains(line, "Total samples = "):
			if i := strings.Index(line, "Total samples = "); i >= 0 {
				d, err := time.ParseDuration(strings.Fields(line[i+len("Total samples = "):])[0])
				require.NoError(t, err, line)
				total = d
			}
		case len(f) >= 6 && strings.HasSuffix(f[5], ".spinTight"):
			d, err := time.ParseDuration(f[3])
			require.NoError(t, err, line)
			tight = d
		}
	}
	return total, tight
}

// An execution trace can be read, whenever its greenlets began and ended.
func TestExecutionTracesCanBeRead(t *testing.T) {
	if testing.Short() || raceEnabled {
		t.Skip("it runs go tool trace")
	}
	needsOneM(t, "there all greenlets of a thread have the thread's number in a trace")
	goTool(t)
	for _, c := range []struct {
		name           string
		before, during int // more at once than the idle workers that are kept
		length         time.Duration
	}{
		{"greenlets from before the trace", 20, 0, 30 * time.Millisecond},
		{"greenlets from during the trace", 0, 200, 30 * time.Millisecond},
		{"both, over several generations of the trace", 20, 80, 2500 * time.Millisecond},
	} {
		t.Run(c.name, func(t *testing.T) {
			var buf bytes.Buffer
			tree(t, func(*greenlet.Greenlet) {
				var all []*greenlet.Greenlet
				add := func(n int) {
					for range n {
						g := greenlet.New(echo)
						value(t, 1)(g.Switch(1))
						all = append(all, g)
					}
				}
				add(c.before)
				require.NoError(t, trace.Start(&buf))
				for end := time.Now().Add(c.length); ; {
					add(c.during)
					for i, g := range all {
						value(t, i)(g.Switch(i))
					}
					for len(all) > c.before { // then some of their workers retire
						require.NoError(t, all[len(all)-1].Kill())
						all = all[:len(all)-1]
					}
					if time.Now().After(end) {
						break
					}
					time.Sleep(c.length / 50) // or the trace gets large
				}
				trace.Stop()
			})
			file := filepath.Join(t.TempDir(), "trace")
			require.NoError(t, os.WriteFile(file, buf.Bytes(), 0o644))
			cmd := exec.Command("go", "tool", "trace", "-d=parsed", file)
			cmd.Env = append(os.Environ(), "GOARCH=", "CC=") // the tool is for where it runs
			out, err := cmd.CombinedOutput()
			tail := out[max(0, len(out)-500):]
			require.NoError(t, err, "%s", tail)
			assert.NotContains(t, string(tail), "failed to advance")
			if c.during > 0 {
				assert.Contains(t, string(out), "NotExist->Waiting", "no greenlet began during the trace")
			}
		})
	}
}

func goroutineProfile(t *testing.T) string {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, pprof.Lookup("goroutine").WriteTo(&b, 1))
	return b.String()
}

// profiled says that goroutine profiles have text. One that is taken while another
// thread ends may lack a goroutine, so it is asked for more than once.
func profiled(t *testing.T, text string) {
	t.Helper()
	for range 100 {
		if strings.Contains(goroutineProfile(t), text) {
			return
		}
	}
	assert.Fail(t, "not in the profile", text)
}

func TestDumpsShowGreenletsWithTheirNames(t *testing.T) {
	tree(t, func(root *greenlet.Greenlet) {
		g := named("the named one", echo)
		value(t, 1)(g.Switch(1))
		profiled(t, `"greenlet":"the named one"`)
		require.NoError(t, g.Kill())
		assert.NotContains(t, goroutineProfile(t), "the named one", "its worker waits for the next one")
	})
}

// What a body has set on its goroutine goes with it, however it ends.
func TestLabelsEndWithTheirGreenlet(t *testing.T) {
	for name, end := range map[string]func(){
		"returns": func() {},
		"panics":  func() { panic("boom") },
		"Goexit":  runtime.Goexit,
	} {
		done := make(chan bool)
		go func() {
			defer close(done)
			g := greenlet.New(func(back any) (any, error) {
				pprof.SetGoroutineLabels(pprof.WithLabels(context.Background(), pprof.Labels("mine", "of the dead")))
				_, err := back.(*greenlet.Greenlet).Switch(nil)
				end()
				return nil, err
			})
			_, _ = g.Switch(greenlet.Current())
			profiled(t, "of the dead")
			defer func() { assert.NotContains(t, goroutineProfile(t), "of the dead", name) }()
			_ = g.Kill()
		}()
		<-done
	}
}

func TestSetName(t *testing.T) {
	tree(t, func(root *greenlet.Greenlet) {
		g := named("first", func(any) (any, error) {
			_, err := root.Switch(nil)
			greenlet.Current().SetName("third")
			_, err = root.Switch(err)
			return nil, err
		})
		value(t, nil)(g.Switch(nil))
		profiled(t, `"greenlet":"first"`)
		g.SetName("second")
		profiled(t, `"greenlet":"second"`)
		assert.Equal(t, "second", g.Name())
		assert.Contains(t, g.String(), "second/")
		value(t, nil)(g.Switch(nil))
		profiled(t, `"greenlet":"third"`)

		done := make(chan bool)
		go func() { g.SetName("fourth"); close(done) }() // a name only
		for range 100 {
			_ = g.String()
		}
		<-done
		assert.Equal(t, "fourth", g.Name())
		profiled(t, `"greenlet":"third"`)
		g.SetName("")
		assert.NotContains(t, goroutineProfile(t), `"third"`)
		require.NoError(t, g.Kill())
		g.SetName("dead")
		assert.Contains(t, g.String(), "dead/")
		assert.NotContains(t, goroutineProfile(t), `"dead"`)

		root.SetName("the root")
		assert.Equal(t, "the root", root.Name())
		var none *greenlet.Greenlet
		none.SetName("nobody")
		h := greenlet.New(echo)
		h.SetName("pending")
		value(t, 1)(h.Switch(1))
		profiled(t, `"greenlet":"pending"`)
	})
}

// The contexts of runtime.SetCgoTraceback are given back by calls from C that return. For
// those that never do, since their greenlet was given up, somebody else has to.
func TestTracebackContextsAreGivenBack(t *testing.T) {
	if os.Getenv("GREENLET_TEST_CHILD") == "contexts" {
		live, wrong := cgotest.UseContexts()
		deep := func() *greenlet.Greenlet {
			g := greenlet.New(func(any) (v any, err error) {
				cgotest.Call(func() {
					cgotest.Call(func() { v, err = greenlet.Current().Parent().Switch(nil) })
				})
				return v, err
			})
			value(t, nil)(g.Switch(nil))
			return g
		}
		for range 50 {
			offMainThread(func() { // by the thread's end
				a, b := deep(), deep()
				assert.NotZero(t, live())
				runtime.GC()
				debug.Stack()
				require.NoError(t, a.Kill()) // returns through C
				runtime.KeepAlive(b)
			})
			offMainThread(func() { // by Goexit
				_, _ = greenlet.New(func(any) (any, error) {
					deep()
					runtime.Goexit()
					return nil, nil
				}).Switch(nil)
			})
			buf := make([]byte, 1<<16)
			runtime.Stack(buf, true) // with the goroutines that are used again
		}
		waitFor(t, func() bool { return live() == 0 })
		assert.Zero(t, wrong())
		return
	}
	needsOneM(t, "there what is given up is lost")
	out, err := child(t, "contexts", "-test.run=^"+t.Name()+"$").CombinedOutput()
	require.NoError(t, err, "%s", out)
}

// Without a handler for SIGSEGV there is nobody to explain an overflow, and that is all.
func TestAHandlerThatCannotBeSet(t *testing.T) {
	if os.Getenv("GREENLET_TEST_CHILD") == "sigaction" {
		defer fault.Set(fault.Signal, 1, 1000)()
		value(t, 1)(greenlet.New(returns(1, nil)).Switch(nil))
		assert.Contains(t, greenlet.Runtime(), "overflows will not be explained: cannot allocate memory")
		return
	}
	out, err := child(t, "sigaction", "-test.run=^"+t.Name()+"$").CombinedOutput()
	require.NoError(t, err, "%s", out)
	assert.NotContains(t, greenlet.Runtime(), "explained")
}
