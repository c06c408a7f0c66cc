//go:build cgo && linux

package cgotest_test

import (
	"os"
	"os/exec"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-greenlet/greenlet/internal/cgotest"
	"github.com/go-greenlet/greenlet/internal/fault"
)

func TestRegistersSurviveASwitch(t *testing.T) {
	require.NoError(t, cgotest.Registers(1000))
}

func TestMisuseGetsItsCode(t *testing.T) {
	before := cgotest.StackUsage().Stacks
	require.NoError(t, cgotest.Misuse())
	assert.Equal(t, before, cgotest.StackUsage().Stacks)
}

// Every call of the core that can fail does so here, one after the other: an
// error comes out, nothing stays behind, and the next try works.
func TestFaultsInTheCore(t *testing.T) {
	const enomem, eguard = "code 3", "code 4"
	for _, c := range []struct {
		point fault.Point
		also  fault.Point // a second one, where the first has a way around it
		want  string
	}{
		{fault.Malloc, fault.Malloc, enomem},
		{fault.Mmap, fault.Mmap, enomem},
		{fault.Guard, fault.Mprotect, eguard},
	} {
		before := cgotest.StackUsage()
		r1, r2 := fault.Set(c.point, 1, 1000), fault.Set(c.also, 1, 1000)
		_, err := newClass()
		r1()
		r2()
		if err == nil {
			// A slab with room needs neither malloc nor mmap.
			t.Fatalf("point %d: no error", c.point)
		}
		assert.Contains(t, err.Error(), c.want)
		assert.Equal(t, before.Stacks, cgotest.StackUsage().Stacks)
		_, err = cgotest.PingPong(10)
		assert.NoError(t, err)
	}
}

// A slab has room for another stack, but there is no memory for its coroutine.
func TestAStackGoesBackWithoutACoroutine(t *testing.T) {
	before := cgotest.StackUsage().Stacks
	require.NoError(t, cgotest.Stack(1<<16))
	reset := fault.Set(fault.Malloc, 1, 1)
	err := cgotest.Stack(1 << 16)
	reset()
	require.ErrorContains(t, err, "code 3")
	assert.Equal(t, before, cgotest.StackUsage().Stacks)
	require.NoError(t, cgotest.Stack(1<<16))
}

// The other calls that fail have a way out that is no error.
func TestFaultsThatAreNoErrors(t *testing.T) {
	for _, p := range []fault.Point{fault.Munmap, fault.Release, fault.Guard} {
		reset := fault.Set(p, 1, 1000)
		before := cgotest.StackUsage().Stacks
		for range 10 {
			_, err := newClass()
			assert.NoError(t, err)
		}
		assert.Equal(t, before, cgotest.StackUsage().Stacks)
		reset()
	}
}

// An emulated kernel accepts an advice that it does not follow, and the process has no
// file descriptor left: the guard is there all the same.
func TestAGuardThatIsNone(t *testing.T) {
	const child = "GREENLET_TEST_GUARD"
	if os.Getenv(child) != "" {
		limit := syscall.Rlimit{}
		require.NoError(t, syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit))
		none := limit
		none.Cur = 0
		defer fault.Set(fault.Advice, 1, 1000)()
		require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_NOFILE, &none))
		err := cgotest.Stack(1 << 16)
		require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit))
		require.NoError(t, err)
		assert.Equal(t, 2, cgotest.StackUsage().Guard)
		return
	}
	if os.Getenv("GREENLET_EMULATOR") != "" {
		t.Skip("about the kernel")
	}
	exe, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.Command(exe, "-test.run=^"+t.Name()+"$")
	cmd.Env = append(os.Environ(), child+"=1")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
}

var size = 1 << 20

// newClass makes a stack of a size that was never asked for: a new class, a new
// slab, a new guard.
func newClass() (float64, error) {
	size += 1 << 16
	return 0, cgotest.Stack(size)
}

func BenchmarkSwitchCToC(b *testing.B) {
	ns, err := cgotest.PingPong(b.N)
	require.NoError(b, err)
	b.ReportMetric(ns, "ns/switch")
}
