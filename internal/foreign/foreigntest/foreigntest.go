//go:build cgo && linux

// Package foreigntest holds the tests that every library's coroutines have to pass.
package foreigntest

import (
	"os"
	"os/exec"
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-greenlet/greenlet"
	"github.com/go-greenlet/greenlet/internal/foreign"
)

// Rounds is how often a coroutine's body is called, and Depth how deep it goes.
const (
	Rounds = 20
	Depth  = 200
)

// Climb recurses, with heap memory and a stack that has to grow, calls yield at the
// top and a few times on the way down, and says whether all that it holds is still
// what it was.
//
//go:noinline
func Climb(depth, seed int, yield func()) bool {
	var local [64]int
	p := new(int)
	for i := range local {
		local[i] = seed*depth + i
	}
	*p = seed ^ depth
	ok := true
	if depth > 0 {
		ok = Climb(depth-1, seed, yield)
	}
	if depth%50 == 0 {
		yield()
	}
	for i := range local {
		ok = ok && local[i] == seed*depth+i
	}
	return ok && *p == seed^depth
}

// Interleave makes two coroutines whose Go functions suspend, and resumes them so
// that the one that was called first returns first: not as calls nest.
func Interleave(t testing.TB, l foreign.Library, a foreign.Adoption) {
	t.Helper()
	make := func(seed int) *foreign.Coroutine {
		round := 0
		co, err := l.New(a, func(yield func()) bool {
			if !Climb(Depth, seed+round, yield) {
				t.Errorf("coroutine %d: round %d: its memory changed", seed, round)
			}
			round++
			return round < Rounds
		})
		require.NoError(t, err)
		return co
	}
	x, y := make(1), make(100)
	require.NoError(t, x.Resume()) // y is behind: neither's calls nest in the other's
	n := 0
	for !x.Done() || !y.Done() {
		for _, co := range []*foreign.Coroutine{x, y} {
			if !co.Done() {
				require.NoError(t, co.Resume())
				n++
			}
		}
		if n%10 == 0 {
			runtime.GC()
		}
		Climb(20, n, func() {}) // something else on this stack
	}
	assert.GreaterOrEqual(t, n, 2*Rounds*Depth/50)
	require.NoError(t, x.Free())
	require.NoError(t, y.Free())
}

// Locked runs f on a goroutine that has a thread for itself and no greenlets.
func Locked(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // and the thread ends with the goroutine
		f()
	}()
	<-done
}

// Suspend runs n greenlets with two coroutines each, in which Go functions switch
// to the root: with the coroutine as what runs in the greenlet.
func Suspend(t testing.TB, l foreign.Library, a foreign.Adoption, n int) {
	t.Helper()
	root := greenlet.Current()
	var all []*greenlet.Greenlet
	for i := range n {
		all = append(all, greenlet.New(func(any) (any, error) {
			var pair [2]*foreign.Coroutine
			for j := range pair {
				round := 0
				co, err := l.New(a, func(yield func()) bool {
					ok := Climb(Depth, i*10+j+round, func() {
						v, err := root.Switch(i)
						if v != i || err != nil {
							t.Errorf("greenlet %d: %v, %v", i, v, err)
						}
						yield()
					})
					if !ok {
						t.Errorf("greenlet %d, coroutine %d: its memory changed", i, j)
					}
					round++
					return round < 3
				})
				if err != nil {
					return nil, err
				}
				pair[j] = co
			}
			for !pair[0].Done() || !pair[1].Done() {
				for _, co := range pair {
					if co.Done() {
						continue
					}
					if err := co.Resume(); err != nil {
						return nil, err
					}
				}
			}
			for _, co := range pair {
				if err := co.Free(); err != nil {
					return nil, err
				}
			}
			return "done", nil
		}))
	}
	for live, pass := n, 0; live > 0; pass++ {
		live = 0
		for i, g := range all {
			if g.Dead() {
				continue
			}
			v, err := g.Switch(i)
			require.NoError(t, err)
			if !g.Dead() {
				live++
				require.Equal(t, i, v)
			} else {
				require.Equal(t, "done", v)
			}
		}
		if pass%5 == 0 {
			runtime.GC()
		}
	}
}

// All runs the tests. independent says that the library's coroutines know nothing
// of the thread, so that greenlets can switch while they run.
func All(t *testing.T, l foreign.Library, independent bool) {
	for name, a := range map[string]foreign.Adoption{"Known": foreign.Known, "Unknown": foreign.Unknown} {
		t.Run("Interleaved"+name, func(t *testing.T) {
			Locked(func() { Interleave(t, l, a) })
		})
		t.Run("InAGreenlet"+name, func(t *testing.T) {
			require.NoError(t, greenlet.Run(func(*greenlet.Greenlet) error {
				_, err := greenlet.New(func(any) (any, error) { Interleave(t, l, a); return nil, nil }).Switch(nil)
				return err
			}))
		})
		t.Run("SuspendedGreenlets"+name, func(t *testing.T) {
			n := 5
			if !independent {
				n = 1
			}
			require.NoError(t, greenlet.Run(func(*greenlet.Greenlet) error { Suspend(t, l, a, n); return nil }))
		})
	}
	t.Run("NotAdopted", func(t *testing.T) { crash(t, l) })
}

// crash shows why this is needed: the same without adoption, in another process.
func crash(t *testing.T, l foreign.Library) {
	const child = "GREENLET_TEST_NOT_ADOPTED"
	if os.Getenv(child) != "" {
		Locked(func() { Interleave(t, l, foreign.None) })
		return
	}
	Crashes(t, t.Name(), child)
}

// Crashes runs a test in another process, with a variable of the environment that has it do
// without adoption, and sees that it dies of that, or finds its memory changed. No other failure
// will do.
func Crashes(t *testing.T, test, variable string) {
	t.Helper()
	exe, err := os.Executable()
	require.NoError(t, err)
	args := []string{exe, "-test.run=^" + test + "$", "-test.v"}
	if emulator := os.Getenv("GREENLET_EMULATOR"); emulator != "" {
		args = append([]string{emulator}, args...)
	}
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env = append(os.Environ(), variable+"=1", "GOTRACEBACK=none")
	out, err := cmd.CombinedOutput()
	require.Error(t, err, "%s", out)
	assert.NotContains(t, string(out), "it survives")
	assert.Regexp(t, `fatal error: |unexpected (fault|signal)|SIG[A-Z]+: |signal: |emory changed|local has changed`,
		err.Error()+"\n"+string(out))
	t.Logf("without adoption: %v: %.200s", err, out)
}
