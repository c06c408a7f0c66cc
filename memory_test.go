//go:build cgo && linux

package greenlet_test

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
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
	"github.com/go-greenlet/greenlet/internal/handle"
)

// resident returns the resident memory of the process in KiB, after a collection.
func resident(t testing.TB) int {
	t.Helper()
	runtime.GC()
	debug.FreeOSMemory()
	b, err := os.ReadFile("/proc/self/statm")
	require.NoError(t, err)
	var size, pages int
	_, err = fmt.Sscan(string(b), &size, &pages)
	require.NoError(t, err)
	return pages * os.Getpagesize() / 1024
}

// raceHistory is how many KiB a repetition may add under the race detector. The runtime does not tell it when
// the goroutine of a coroutine ends (coroexit in coro.go; goexit1 in proc.go calls racegoend), so it keeps its state of
// each: 5 KiB of an iter.Pull and 8 to 12 of a greenlet, and a repetition has 5,000. So the goroutines are counted, too,
// and the build without the detector has a narrow limit.
const raceHistory = 96 * 1024

// steady runs f until resident memory stops growing from one time to the next.
func steady(t testing.TB, f func()) {
	t.Helper()
	slack := 1024 // KiB: noise of the runtime's own
	if raceEnabled {
		slack = raceHistory
	}
	f()
	if emulator != "" {
		return // whose own memory grows
	}
	var sizes, left []int
	for range 10 {
		before, goroutines := resident(t), runtime.NumGoroutine()
		f()
		after := resident(t)
		sizes, left = append(sizes, after-before), append(left, runtime.NumGoroutine()-goroutines)
		if after-before < slack && runtime.NumGoroutine()-goroutines < 2*64 { // idle workers
			return
		}
	}
	t.Errorf("resident memory grew by %d KiB, and the goroutines by %d, time after time", sizes, left)
}

func scaled(n int) int {
	if testing.Short() || raceEnabled {
		return n / 20
	}
	return n
}

// lengthy is scaled for the longest tests: a fifth of it, but where GREENLET_STRESS asks for a long
// run.
func lengthy(n int) int {
	if n = scaled(n); testing.Short() || raceEnabled || os.Getenv("GREENLET_STRESS") != "" {
		return n
	}
	return n / 5
}

func TestSwitchesDoNotGrowMemory(t *testing.T) {
	tree(t, func(root *greenlet.Greenlet) {
		var a, b *greenlet.Greenlet
		limit := 0
		body := func(other **greenlet.Greenlet) greenlet.Func {
			return func(v any) (any, error) {
				for n := 0; n < limit; n++ {
					if _, err := (*other).Switch(nil); err != nil {
						return nil, err
					}
				}
				return nil, nil
			}
		}
		steady(t, func() {
			limit = scaled(1_000_000) / 2
			a, b = greenlet.New(body(&b)), greenlet.New(body(&a))
			value(t, nil)(a.Switch(nil))
			require.NoError(t, a.Kill())
			require.NoError(t, b.Kill())
		})
	})
}

func TestLifeCyclesDoNotGrowMemory(t *testing.T) {
	noAsan(t, "it keeps freed memory back")
	n := lengthy(100_000)
	for _, c := range []struct {
		name  string
		cycle func()
	}{
		{"finished", func() { value(t, 1)(greenlet.New(returns(1, nil)).Switch(nil)) }},
		{"failed", func() { fails(t, errSome)(greenlet.New(returns(nil, errSome)).Switch(nil)) }},
		{"killed", func() { require.NoError(t, suspended(t, quietly).Kill()) }},
		{"killed while pending", func() { require.NoError(t, greenlet.New(echo).Kill()) }},
		{"never started", func() { greenlet.New(echo) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			tree(t, func(*greenlet.Greenlet) {
				steady(t, func() {
					for range n {
						c.cycle()
					}
				})
			})
		})
	}
	t.Run("in an implicit tree", func(t *testing.T) {
		steady(t, func() {
			for range n {
				next, _ := greenlet.Pull(count(1))
				next()
				next()
			}
		})
	})
	t.Run("forgotten and collected", func(t *testing.T) {
		tree(t, func(root *greenlet.Greenlet) {
			steady(t, func() {
				alive := 0
				for i := range n {
					func() {
						g := greenlet.New(func(any) (any, error) {
							alive++
							_, err := root.Switch(nil)
							alive--
							return nil, err
						})
						value(t, nil)(g.Switch(nil))
					}()
					if i%1000 == 999 {
						waitFor(t, func() bool {
							value(t, nil)(root.Switch(nil))
							return alive == 0
						})
					}
				}
			})
		})
	})
}

func TestTenThousandLiveGreenlets(t *testing.T) {
	handles, stacks := handle.Live(), cgotest.StackUsage().Stacks
	n := scaled(10_000)
	runtime.LockOSThread() // so that there is one pool of idle workers only
	defer runtime.UnlockOSThread()
	round := func() (perGreenlet int) {
		before := resident(t)
		tree(t, func(root *greenlet.Greenlet) {
			all := make([]*greenlet.Greenlet, n)
			for i := range all {
				all[i] = suspended(t, func(v any, err error) (any, error) { return v, err })
			}
			perGreenlet = (resident(t) - before) * 1024 / n
			for i, g := range all {
				value(t, i)(g.Switch(i))
			}
		})
		return perGreenlet
	}
	each := round()
	t.Logf("%d bytes resident for each of %d suspended greenlets", each, n)
	if !testing.Short() && !raceEnabled && emulator == "" && oneM() {
		assert.Less(t, each, 16<<10)
	}
	steady(t, func() { round() })
	assert.LessOrEqual(t, cgotest.StackUsage().Stacks-stacks, 64, "idle workers that are kept")
	assert.LessOrEqual(t, handle.Live()-handles, 65)
}

func TestStartedAndKilledInThousands(t *testing.T) {
	tree(t, func(root *greenlet.Greenlet) {
		n := scaled(20_000)
		exits := 0
		steady(t, func() {
			exits = 0
			all := make([]*greenlet.Greenlet, n)
			for i := range all {
				all[i] = suspended(t, func(v any, err error) (any, error) { exits++; return v, err })
			}
			for _, g := range all {
				require.NoError(t, g.Kill())
			}
			require.Equal(t, n, exits)
		})
	})
}

// ---- what the system refuses

func TestAStackSizeOutOfRangeIsAnError(t *testing.T) {
	tree(t, func(root *greenlet.Greenlet) {
		for _, size := range []int{-1, -1 << 40, 1<<30 + 1, 1 << 50} {
			g := greenlet.New(echo, greenlet.WithStackSize(size))
			for range 2 {
				_, err := g.Switch(nil)
				require.ErrorContains(t, err, "the stack size must be from 0 (the default) to 1073741824 bytes")
				require.ErrorContains(t, err, g.String())
			}
			assert.Equal(t, greenlet.Pending, g.State())
		}
		for _, size := range []int{0, 1, 4096, 65537, 8 << 20} {
			value(t, 1)(greenlet.New(returns(1, nil), greenlet.WithStackSize(size)).Switch(nil))
		}
	})
}

// unusedStackSize is a size of which there is no stack yet, idle or in a slab.
func unusedStackSize() int { return int(lastStackSize.Add(1 << 20)) }

var lastStackSize atomic.Int64

func init() { lastStackSize.Store(3<<20 + 12<<10) } // an odd one

func TestAStackThatCannotBeMadeIsAnError(t *testing.T) {
	for _, points := range [][]fault.Point{{fault.Malloc}, {fault.Mmap}, {fault.Guard, fault.Mprotect}} {
		tree(t, func(root *greenlet.Greenlet) {
			value(t, 1)(greenlet.New(returns(1, nil)).Switch(nil)) // the stack for those without one is there
			handles := handle.Live()
			size := unusedStackSize()
			g := greenlet.New(returns(1, nil), greenlet.WithStackSize(size))
			var resets []func()
			for _, p := range points {
				resets = append(resets, fault.Set(p, 1, 100))
			}
			_, err := g.Switch(nil)
			for _, reset := range resets {
				reset()
			}
			require.ErrorIs(t, err, syscall.ENOMEM)
			require.ErrorContains(t, err, fmt.Sprintf("cannot make a stack of %d bytes", size))
			assert.Equal(t, greenlet.Pending, g.State())
			assert.LessOrEqual(t, handle.Live(), handles) // a thread of another test may have ended meanwhile
			value(t, 1)(g.Switch(nil))                    // nothing was lost
		})
	}
}

// A result that should start a pending parent, for which there is no stack, is
// replaced by the error, and goes on up.
func TestAPendingParentThatCannotStartPassesTheErrorOn(t *testing.T) {
	tree(t, func(root *greenlet.Greenlet) {
		p := greenlet.New(returns("p", nil), greenlet.WithStackSize(unusedStackSize()))
		c := greenlet.New(returns("c", nil), greenlet.WithParent(p))
		reset := fault.Set(fault.Mmap, 1, 100)
		_, err := c.Switch(nil)
		reset()
		require.ErrorIs(t, err, syscall.ENOMEM)
		assert.Equal(t, greenlet.Pending, p.State())
		value(t, "p")(c.Switch("once more"))
	})
}

func TestOlderKernelsGuardPages(t *testing.T) {
	defer fault.Set(fault.Guard, 1, 1<<30)()
	tree(t, func(root *greenlet.Greenlet) {
		for range 3 {
			g := greenlet.New(echo, greenlet.WithStackSize(unusedStackSize()))
			value(t, 1)(g.Switch(1))
			require.NoError(t, g.Kill())
		}
	})
}

func TestNoThreadLocalKeyIsAnError(t *testing.T) {
	if os.Getenv("GREENLET_TEST_CHILD") == "key" {
		runtime.LockOSThread()  // else a root needs no key
		before := handle.Live() // of tests that have a callback for good
		g := greenlet.New(returns(1, nil))
		for range 2 {
			reset := fault.Set(fault.Key, 1, 1)
			_, err := g.Switch(nil)
			assert.ErrorIs(t, err, syscall.EAGAIN)
			assert.ErrorContains(t, err, "thread-local key")
			reset()
			reset = fault.Set(fault.Key, 1, 10)
			assert.ErrorIs(t, greenlet.Run(func(*greenlet.Greenlet) error { return nil }), syscall.EAGAIN)
			assert.ErrorIs(t, recovered(func() { greenlet.Current() }).(error), syscall.EAGAIN)
			reset()
		}
		reset := fault.Set(fault.Key, 2, 2) // not the key, but this thread's value
		_, err := g.Switch(nil)
		assert.ErrorIs(t, err, syscall.EAGAIN)
		reset()
		reset = fault.Set(fault.Malloc, 1, 1) // nor the memory in which the thread's end is noted
		_, err = g.Switch(nil)
		assert.ErrorIs(t, err, syscall.ENOMEM)
		assert.ErrorContains(t, err, "cannot watch for the thread's end")
		reset()
		assert.Equal(t, greenlet.Pending, g.State())
		assert.Equal(t, before, handle.Live())
		value(t, 1)(g.Switch(nil))
		return
	}
	out, err := child(t, "key", "-test.run=^"+t.Name()+"$").CombinedOutput()
	require.NoError(t, err, "%s", out)
}

// With a real limit on the address space: an error, nothing lost, no crash.
func TestUnderALimitOfAddressSpace(t *testing.T) {
	if emulator != "" {
		t.Skip("the emulator does not keep the limit")
	}
	if raceEnabled {
		t.Skip("the race detector needs all the address space that there is")
	}
	if os.Getenv("GREENLET_TEST_CHILD") == "limit" {
		b, err := os.ReadFile("/proc/self/statm")
		require.NoError(t, err)
		var pages uint64
		_, err = fmt.Sscan(string(b), &pages)
		require.NoError(t, err)
		// Two stacks fit, and what is left when the third does not is enough for what
		// Go and the C library may map meanwhile, who cannot do without: an arena of
		// the heap, a thread and its arena of malloc, which is twice as large while it
		// is made.
		const stack = 1 << 30
		limit := pages*uint64(os.Getpagesize()) + 2*stack + stack/2
		require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_AS, &syscall.Rlimit{Cur: limit, Max: limit}))
		tree(t, func(root *greenlet.Greenlet) {
			var all []*greenlet.Greenlet
			for {
				g := greenlet.New(echo, greenlet.WithStackSize(stack))
				if _, err = g.Switch(1); err != nil {
					break
				}
				all = append(all, g)
				require.LessOrEqual(t, len(all), 2)
			}
			require.ErrorIs(t, err, syscall.ENOMEM)
			assert.ErrorContains(t, err, "ulimit -v")
			require.Len(t, all, 2)
			for i, g := range all {
				value(t, i)(g.Switch(i))
				require.NoError(t, g.Kill())
			}
		})
		return
	}
	out, err := child(t, "limit", "-test.run=^"+t.Name()+"$").CombinedOutput()
	require.NoError(t, err, "%s", out)
}

// 100,000 guarded stacks take far fewer mappings than the kernel allows.
func TestGuardedStacksDoNotUseUpTheMappings(t *testing.T) {
	tree(t, func(root *greenlet.Greenlet) {
		value(t, nil)(greenlet.New(returns(nil, nil)).Switch(nil)) // the first one finds out
		if cgotest.StackUsage().Guard == 2 {
			t.Skip("this kernel has no MADV_GUARD_INSTALL: about 32,000 stacks is its limit")
		}
		before := mappings(t)
		n := scaled(10_000)
		for range n {
			value(t, nil)(greenlet.New(echo).Switch(nil))
		}
		more := mappings(t) - before
		t.Logf("%d more mappings for %d stacks", more, n)
		assert.Less(t, more, n/10)
	})
}

func mappings(t testing.TB) int {
	t.Helper()
	b, err := os.ReadFile("/proc/self/maps")
	require.NoError(t, err)
	return strings.Count(string(b), "\n")
}

// Running over the end of a C stack hits the guard: a fault, no corruption. The report
// says whose stack it was, and then comes Go's own.
func TestTheGuard(t *testing.T) {
	overflow := map[string]func(){
		"Recurse": func() { cgotest.Recurse(1000) },
		"Step":    func() { cgotest.Step(100 << 10) }, // a frame that is larger than the stack
	}
	if oneM() {
		// C leaves little, and Go's own code runs out of it.
		overflow["Go"] = func() { leaveLittle(64<<10, func() { runtime.GC() }) }
	}
	if f := overflow[os.Getenv("GREENLET_TEST_CHILD")]; f != nil {
		size := greenlet.WithStackSize(64 << 10)
		for range 8 { // below the guard there is another stack, which would not fault
			value(t, nil)(greenlet.New(echo, size).Switch(nil))
		}
		g := greenlet.New(func(any) (any, error) { f(); return nil, nil }, size, greenlet.WithName("deep"))
		_, _ = g.Switch(nil)
		return
	}
	for how := range overflow {
		t.Run(how, func(t *testing.T) { overflows(t, how) })
	}
}

// leaveLittle calls f from C with ever less room on a C stack of that size, to the last.
func leaveLittle(size int, f func()) {
	for left := 8 << 10; left > 0; left -= 256 {
		cgotest.Locals(size-left, f)
	}
}

func overflows(t *testing.T, how string) {
	out, err := child(t, how, "-test.run=^TestTheGuard$").CombinedOutput()
	var exit *exec.ExitError
	require.ErrorAs(t, err, &exit, "%s", out)
	const report = `(?s)greenlet: deep/\d+ has overflowed its C stack of 65536 bytes; WithStackSize \(in C: stack_size\) gives it a larger one\n.*`
	if strings.Contains(string(out), "AddressSanitizer") {
		assert.Regexp(t, report+"AddressSanitizer: stack-overflow", string(out))
		return
	}
	if how == "Go" {
		assert.Regexp(t, report+`SIGSEGV: segmentation violation.*goroutine \d+ .*runtime\.GC\(.*cgotest\.Locals\(.*TestTheGuard`, string(out))
		assert.Equal(t, 2, exit.ExitCode())
		return
	}
	assert.Regexp(t, report+`SIGSEGV: segmentation violation.*signal arrived during cgo execution.*goroutine \d+ .*locked to thread\]`+
		`.*cgotest\.`+how+`.*TestTheGuard`, string(out))
	assert.Equal(t, 2, exit.ExitCode())
}

// Other faults are none of our business: in C they end the process as ever, and in Go
// they are panics as ever.
func TestFaultsThatAreNoOverflows(t *testing.T) {
	if os.Getenv("GREENLET_TEST_CHILD") == "fault" {
		_, _ = greenlet.New(func(any) (any, error) { cgotest.Fault(); return nil, nil }).Switch(nil)
		return
	}
	tree(t, func(*greenlet.Greenlet) {
		var nowhere *int
		p := recovered(func() {
			_, _ = greenlet.New(func(any) (any, error) { return *nowhere, nil }).Switch(nil)
		}).(*greenlet.PanicError)
		assert.ErrorContains(t, p, "nil pointer dereference")
	})
	out, err := child(t, "fault", "-test.run=^"+t.Name()+"$").CombinedOutput()
	var exit *exec.ExitError
	require.ErrorAs(t, err, &exit, "%s", out)
	assert.NotContains(t, string(out), "overflowed")
	assert.Regexp(t, "SIGSEGV: segmentation violation|AddressSanitizer: SEGV|runtime error: load of null pointer", string(out))
}

// Greenlets of which nothing will run again, in all the ways that there are.
func TestAbandonedGreenletsDoNotGrowMemory(t *testing.T) {
	needsOneM(t, "there their stacks are lost, and the documentation says so")
	var fatal sync.WaitGroup
	n := lengthy(100_000) / 10
	for _, c := range []struct {
		name  string
		cycle func()
	}{
		{"thread gone", func() {
			var err error // some are forgotten, and killed, before the thread ends
			suspend := handle.New(func() { _, err = greenlet.Current().Parent().Switch(nil) })
			offMainThread(func() {
				greenlet.Current()
				for range 100 {
					g := greenlet.New(func(any) (any, error) {
						cgotest.CallHandle(suspend) // one of its own would be lost with it
						return nil, err
					})
					value(t, nil)(g.Switch(nil))
				}
			})
			require.NoError(t, suspend.Delete())
		}},
		{"Goexit", func() {
			fatal.Add(1)
			go func() {
				defer fatal.Done()
				_ = greenlet.Run(func(*greenlet.Greenlet) error {
					// Each passes it on to the one before.
					var nest func(depth int) (any, error)
					nest = func(depth int) (any, error) {
						if depth == 0 {
							cgotest.Call(runtime.Goexit)
						}
						return greenlet.New(func(any) (any, error) { return nest(depth - 1) }).Switch(nil)
					}
					_, err := nest(100)
					return err
				})
			}()
			fatal.Wait()
		}},
		{"refuses to die", func() {
			_ = greenlet.Run(func(root *greenlet.Greenlet) error {
				for range 100 {
					g := greenlet.New(func(any) (any, error) {
						for {
							_, _ = root.Switch(nil)
						}
					})
					value(t, nil)(g.Switch(nil))
				}
				return nil
			})
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			stacks := cgotest.StackUsage().Stacks
			steady(t, func() {
				for range n / 100 {
					c.cycle()
				}
				// What a thread has left is freed after the next collection, if not before. The
				// thread ends some time after its goroutine.
				assert.Eventually(t, func() bool {
					runtime.GC()
					return cgotest.StackUsage().Stacks-stacks < 300
				}, time.Minute, 10*time.Millisecond, "more than some idle workers' stacks are left")
			})
		})
	}
}

// The stack's high-water mark shows what C functions have used, and stays.
func TestStackUsed(t *testing.T) {
	noAsan(t, "it uses much stack by itself")
	if raceEnabled {
		t.Skip("the race detector uses much stack by itself")
	}
	tree(t, func(root *greenlet.Greenlet) {
		size := unusedStackSize()
		g := greenlet.New(func(any) (any, error) {
			for _, bytes := range []int{16 << 10, 100 << 10, 8 << 10} {
				cgotest.Locals(bytes, func() {})
				if _, err := root.Switch(nil); err != nil {
					return nil, err
				}
			}
			return nil, nil
		}, greenlet.WithStackSize(size))
		used := func() int {
			n, err := g.StackUsed()
			require.NoError(t, err)
			return n
		}
		assert.Zero(t, used())
		const more = 24 << 10 // the runtime's own, and a page that is begun
		for _, want := range []int{16 << 10, 100 << 10, 100 << 10} {
			value(t, nil)(g.Switch(nil))
			assert.GreaterOrEqual(t, used(), want)
			assert.LessOrEqual(t, used(), want+more)
		}
		other := make(chan error)
		go func() { _, err := g.StackUsed(); other <- err }()
		assert.ErrorIs(t, <-other, greenlet.ErrWrongThread)
		value(t, nil)(g.Switch(nil))
		assert.Zero(t, used())

		// The next ones have the same stack, and hear nothing of that.
		for range 3 {
			g = greenlet.New(func(any) (any, error) { return root.Switch(nil) }, greenlet.WithStackSize(size))
			value(t, nil)(g.Switch(nil))
			assert.LessOrEqual(t, used(), more)
			value(t, nil)(g.Switch(nil))
		}
		n, err := root.StackUsed()
		require.NoError(t, err)
		assert.Zero(t, n)
		_, err = (*greenlet.Greenlet)(nil).StackUsed()
		assert.Error(t, err)
	})
}

// A tree that had many greenlets in C once does not keep their C stacks for its whole life.
func TestCStacksOfATreeThatHadMany(t *testing.T) {
	tree(t, func(*greenlet.Greenlet) {
		before := cgotest.StackUsage().Stacks
		for range 3 {
			var all []*greenlet.Greenlet
			for range 300 {
				all = append(all, suspendedInC(t))
			}
			assert.GreaterOrEqual(t, cgotest.StackUsage().Stacks-before, 300-70) // the thread may have had some left: idle workers, too
			for _, g := range all {
				require.NoError(t, g.Kill())
			}
			// What is not needed any more goes at the next end, and some stay for the next ones.
			assert.LessOrEqual(t, cgotest.StackUsage().Stacks-before, 70)
		}
	})
}
