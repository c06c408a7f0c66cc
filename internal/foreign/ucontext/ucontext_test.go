//go:build cgo && linux

package ucontext_test

import (
	"bytes"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"runtime/trace"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-greenlet/greenlet"
	"github.com/go-greenlet/greenlet/internal/fault"
	"github.com/go-greenlet/greenlet/internal/foreign"
	"github.com/go-greenlet/greenlet/internal/foreign/foreigntest"
	"github.com/go-greenlet/greenlet/internal/foreign/ucontext"
)

func library(t testing.TB) foreign.Library {
	l, ok := ucontext.Library()
	if !ok {
		t.Skip("this C library has no ucontext")
	}
	return l
}

func TestForeignCoroutines(t *testing.T) { foreigntest.All(t, library(t), true) }

func TestMisuseGetsItsCode(t *testing.T) {
	l := library(t)
	foreigntest.Locked(func() { assert.NoError(t, l.Misuse()) })
	require.NoError(t, foreign.Thread(func() { assert.NoError(t, l.Misuse()) }))
	inGreenlet(t, func(*greenlet.Greenlet) { assert.NoError(t, l.Misuse()) })
}

// inGreenlet calls f in a greenlet.
func inGreenlet(t testing.TB, f func(root *greenlet.Greenlet)) {
	t.Helper()
	require.NoError(t, greenlet.Run(func(root *greenlet.Greenlet) error {
		_, err := greenlet.New(func(any) (any, error) { f(root); return nil, nil }).Switch(nil)
		return err
	}))
}

// ms is how many Ms the runtime has made: none of them is ever freed.
func ms() int { return pprof.Lookup("threadcreate").Count() }

// On threads that C made, which have no goroutine of their own; they come and go
// beside signals, and leave nothing behind.
func TestOnThreadsOfC(t *testing.T) {
	l := library(t)
	stop := make(chan struct{})
	collected := make(chan struct{})
	go func() { // each collection sends signals to the threads
		defer close(collected)
		for {
			select {
			case <-stop:
				return
			default:
				runtime.GC()
			}
		}
	}()
	n := 100
	if testing.Short() {
		n = 10
	}
	var before int
	for i := range n {
		require.NoError(t, foreign.Thread(func() { foreigntest.Interleave(t, l, foreign.Known) }))
		if i == 2 {
			before = ms()
		}
	}
	close(stop)
	<-collected
	assert.LessOrEqual(t, ms(), before+10, "Ms were not given back")
}

// Beside all that takes processors away and looks at other goroutines' stacks.
func TestBesideStopsOfTheWorld(t *testing.T) {
	l := library(t)
	procs := runtime.GOMAXPROCS(0)
	defer runtime.GOMAXPROCS(procs)
	stop := make(chan struct{})
	var disturb, work sync.WaitGroup
	n := 0
	for _, f := range []func(){
		runtime.GC,
		func() { runtime.ReadMemStats(new(runtime.MemStats)) },
		func() { n++; runtime.GOMAXPROCS(1 + n%4) },
		func() { runtime.Stack(make([]byte, 1<<16), true) },
		func() {
			if pprof.StartCPUProfile(io.Discard) == nil {
				time.Sleep(10 * time.Millisecond)
				pprof.StopCPUProfile()
			}
		},
		func() {
			if trace.Start(io.Discard) == nil {
				time.Sleep(10 * time.Millisecond)
				trace.Stop()
			}
		},
		func() { foreigntest.Climb(1000, 1, func() {}) },
	} {
		disturb.Add(1)
		go func() {
			defer disturb.Done()
			for {
				select {
				case <-stop:
					return
				case <-time.After(time.Millisecond):
					f()
				}
			}
		}()
	}
	rounds := 10
	switch {
	case testing.Short() || raceEnabled:
		rounds = 3
	case os.Getenv("GREENLET_STRESS") != "":
		rounds = 30
	}
	for i := range 3 {
		work.Add(1)
		go func() {
			defer work.Done()
			for range rounds {
				switch i {
				case 0:
					foreigntest.Locked(func() { foreigntest.Interleave(t, l, foreign.Known) })
				case 1:
					assert.NoError(t, foreign.Thread(func() { foreigntest.Interleave(t, l, foreign.Unknown) }))
				case 2:
					assert.NoError(t, greenlet.Run(func(*greenlet.Greenlet) error {
						foreigntest.Suspend(t, l, foreign.Known, 5)
						return nil
					}))
				}
			}
		}()
	}
	work.Wait()
	close(stop)
	disturb.Wait()
}

// A coroutine is freed while Go functions are suspended on it.
func TestFreeWithSuspendedFrames(t *testing.T) {
	l := library(t)
	foreigntest.Locked(func() {
		goroutines := runtime.NumGoroutine()
		for range 50 {
			co, err := l.New(foreign.Known, func(yield func()) bool {
				foreigntest.Climb(50, 1, yield)
				return false
			})
			if !assert.NoError(t, err) || !assert.NoError(t, co.Resume()) {
				return
			}
			if err := co.Free(); err != nil {
				// Nothing has changed: the functions return, and then it works.
				assert.Equal(t, foreign.ErrFrames, err)
				assert.True(t, keepsFrames())
				for !co.Done() {
					assert.NoError(t, co.Resume())
				}
				assert.NoError(t, co.Free())
			} else {
				assert.False(t, keepsFrames())
			}
			runtime.GC()
		}
		assert.LessOrEqual(t, runtime.NumGoroutine(), goroutines+5)
	})
}

func keepsFrames() bool { return !oneM() }

func oneM() bool { return strings.HasPrefix(greenlet.Runtime(), "one M") }

// A greenlet is given up while a fiber runs in it: the greenlet's M goes with it,
// and the fiber, which nobody can switch to any more, is freed by who made it.
func TestAGreenletIsGivenUpWithAFiberRunning(t *testing.T) {
	l := library(t)
	foreigntest.Locked(func() {
		for range 20 {
			var co *foreign.Coroutine
			err := greenlet.Run(func(root *greenlet.Greenlet) error {
				_, err := greenlet.New(func(any) (any, error) {
					var err error
					co, err = l.New(foreign.Known, func(yield func()) bool {
						for {
							_, _ = root.Switch(nil) // it ignores that it is killed
						}
					})
					if err != nil {
						return nil, err
					}
					return nil, co.Resume()
				}).Switch(nil)
				return err
			})
			assert.ErrorContains(t, err, "lives")
			if !assert.NotNil(t, co) {
				return
			}
			runtime.GC()
			if keepsFrames() { // then the greenlet cannot be given up, either
				assert.Equal(t, foreign.ErrBusy, co.Resume())
				assert.Equal(t, foreign.ErrBusy, co.Free())
				continue
			}
			assert.Equal(t, foreign.ErrDone, co.Resume())
			assert.NoError(t, co.Free())
			runtime.GC()
		}
		foreigntest.Interleave(t, l, foreign.Known)
	})
}

// A root that nobody has asked for is given up by the goroutine that it has locked, be
// that a fiber's or not, whoever ends the last greenlet.
func TestAPullIsBegunAndEndedOnTwoStacks(t *testing.T) {
	l := library(t)
	locked := func() bool {
		b := make([]byte, 100)
		return bytes.Contains(b[:runtime.Stack(b, false)], []byte("locked to thread"))
	}
	seq := func(yield func(int) bool) {
		for yield(1) {
		}
	}
	done := make(chan bool)
	go func() {
		defer close(done)
		runtime.LockOSThread()
		var stop func()
		var next func() (int, bool)
		co, err := l.New(foreign.Known, func(yield func()) bool {
			next, stop = greenlet.Pull(seq)
			next()
			yield()
			next, stop = greenlet.Pull(seq) // of the same root, which ends here then
			next()
			stop()
			yield()
			stop()
			return false
		})
		if !assert.NoError(t, err) || !assert.NoError(t, co.Resume()) {
			return
		}
		stop()
		assert.True(t, locked(), "by itself")
		assert.NoError(t, co.Resume())
		next, stop = greenlet.Pull(seq)
		next()
		assert.NoError(t, co.Resume()) // which stops it
		assert.True(t, co.Done())
		assert.NoError(t, co.Free())
		runtime.UnlockOSThread()
		assert.True(t, locked(), "by the root")
		next, stop = greenlet.Pull(seq)
		next()
		stop()
		assert.False(t, locked())
	}()
	<-done
}

// A generator that is suspended on a context, in a goroutine that is not locked to its thread.
func TestOnAContextInAFreeTree(t *testing.T) {
	l := library(t)
	done := make(chan bool)
	go func() {
		defer close(done)
		next, stop := greenlet.Pull(func(yield func(int) bool) {
			me := greenlet.Current()
			co, err := l.New(foreign.Known, func(func()) bool {
				assert.Same(t, me, greenlet.Current())
				for i := range 3 {
					if !yield(i) {
						break
					}
					assert.Same(t, me, greenlet.Current())
				}
				return false
			})
			if assert.NoError(t, err) && assert.NoError(t, co.Resume()) {
				assert.True(t, co.Done())
				assert.NoError(t, co.Free())
			}
			yield(3)
		})
		defer stop()
		other, stopOther := greenlet.Pull(func(yield func(int) bool) {
			for i := 0; yield(i); i++ {
			}
		})
		defer stopOther()
		for i := range 4 {
			v, ok := next()
			assert.True(t, ok)
			assert.Equal(t, i, v)
			v, _ = other()
			assert.Equal(t, i, v)
		}
		_, ok := next()
		assert.False(t, ok)
	}()
	<-done
}

// Beside an execution trace that then can be read: in processes of their own, which
// have no Ms from before.
func TestExecutionTracesCanBeRead(t *testing.T) {
	if testing.Short() {
		t.Skip("it runs go tool trace")
	}
	needsOneM(t)
	l := library(t)
	if file := os.Getenv("GREENLET_TEST_TRACE"); file != "" {
		traced(t, l, file)
		return
	}
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("needs the go command")
	}
	for range 3 {
		file := filepath.Join(t.TempDir(), "trace")
		child := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
		child.Env = append(os.Environ(), "GREENLET_TEST_TRACE="+file)
		out, err := child.CombinedOutput()
		require.NoError(t, err, "%s", out)
		out, err = exec.Command("go", "tool", "trace", "-d=parsed", file).CombinedOutput()
		tail := out[max(0, len(out)-500):]
		require.NoError(t, err, "%s", tail)
		require.NotContains(t, string(tail), "failed to advance")
	}
}

func traced(t *testing.T, l foreign.Library, file string) {
	f, err := os.Create(file)
	require.NoError(t, err)
	defer func() { assert.NoError(t, f.Close()) }()
	require.NoError(t, trace.Start(f))
	defer trace.Stop()
	if oneM() {
		foreigntest.Locked(func() { announce(t, l); mixed(t, l) })
		assert.NoError(t, foreign.Thread(func() { announce(t, l); mixed(t, l) }))
	}
	foreigntest.Locked(func() {
		var all []*foreign.Coroutine
		for range 10 {
			for i := range 20 {
				left := 10 + i
				co, err := l.New(foreign.Known, func(yield func()) bool {
					yield()
					left--
					return left > 0
				})
				assert.NoError(t, err)
				all = append(all, co)
			}
			for len(all) > 0 {
				i := rand.IntN(len(all))
				assert.NoError(t, all[i].Resume())
				if all[i].Done() {
					assert.NoError(t, all[i].Free())
					all = slices.Delete(all, i, i+1)
				}
				if rand.IntN(20) == 0 {
					runtime.GC() // which takes Ps away
				}
			}
		}
	})
}

func BenchmarkResumeAndYield(b *testing.B) {
	l := library(b)
	for name, busy := range map[string]bool{"Alone": false, "Busy": true} {
		b.Run(name, func(b *testing.B) {
			var stop atomic.Bool
			defer stop.Store(true)
			for range runtime.GOMAXPROCS(0) {
				if busy {
					go func() {
						for !stop.Load() {
						}
					}()
				}
			}
			foreigntest.Locked(func() {
				co, err := l.New(foreign.Known, func(yield func()) bool { yield(); return true })
				if err != nil {
					b.Error(err)
					return
				}
				for range b.N {
					if err := co.Resume(); err != nil {
						b.Error(err)
						return
					}
				}
			})
		})
	}
}

// What a switch to a coroutine and one back cost more, when it is adopted.
func BenchmarkAnnouncements(b *testing.B) {
	l := library(b)
	foreigntest.Locked(func() {
		co, err := l.New(foreign.Unknown, func(yield func()) bool { yield(); return false })
		if assert.NoError(b, err) && assert.NoError(b, co.Resume()) {
			b.ResetTimer()
			assert.NoError(b, co.Announce(b.N))
		}
	})
}

// What the first fiber of a process and of a thread takes cannot be had: an error that
// says so, and the next try is as the first.
func TestWithoutAKeyOrMemoryFibersAreAnError(t *testing.T) {
	l := library(t)
	const child = "GREENLET_TEST_NO_KEY"
	if os.Getenv(child) != "" {
		foreigntest.Locked(func() {
			calls := 0
			co, err := l.New(foreign.Known, func(func()) bool { calls++; return false })
			require.NoError(t, err)
			for _, c := range []struct {
				point fault.Point
				first uint
				want  error
			}{
				{fault.Malloc, 1, foreign.ErrNoMem}, // of its record
				{fault.Key, 1, foreign.ErrKey},      // for the process
				{fault.Key, 1, foreign.ErrKey},
				{fault.Key, 2, foreign.ErrKey}, // the thread's value for it
				{fault.Key, 1, foreign.ErrKey},
			} {
				reset := fault.Set(c.point, c.first, 1000)
				err := co.Resume()
				reset()
				require.ErrorIs(t, err, c.want)
				require.Zero(t, calls)
			}
			require.NoError(t, co.Resume())
			require.Equal(t, 1, calls)
			require.NoError(t, co.Free())
		})
		return
	}
	exe, err := os.Executable()
	require.NoError(t, err)
	args := []string{exe, "-test.run=^" + t.Name() + "$"}
	if emulator := os.Getenv("GREENLET_EMULATOR"); emulator != "" {
		args = append([]string{emulator}, args...)
	}
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env = append(os.Environ(), child+"=1")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
}
