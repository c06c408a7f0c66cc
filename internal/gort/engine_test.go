//go:build cgo && linux && amd64 && !asan && !greenlet_unknown

package gort

import (
	"errors"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The engine by itself: the test plays the part of the C core.

// newThread makes the calling goroutine, which is locked, a root.
func newThread(t testing.TB) (th *Thread, root *Coro) {
	t.Helper()
	ok, why := OneM(uintptr(gslot()))
	require.True(t, ok, why)
	stacks := &Stacks{
		New: func(int) (lo, hi, native uintptr, err error) {
			const size = 256 << 10
			b, err := syscall.Mmap(-1, 0, size, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_PRIVATE|syscall.MAP_ANON)
			if err != nil {
				return 0, 0, 0, err
			}
			lo = uintptr(unsafe.Pointer(&b[0])) // stays: nobody unmaps it
			return lo, lo + size, lo, nil
		},
		Free:  func(uintptr) bool { return true },
		Trim:  func(uintptr) {},
		Leave: func(uintptr, *uintptr) uintptr { return 0 },
	}
	current := &make([]uintptr, 1000)[0] // large enough not to be on a stack, which moves
	own := &make([]uintptr, 1000)[0]
	th = NewThread(stacks, uintptr(unsafe.Pointer(current)), uintptr(unsafe.Pointer(own)), 0)
	t.Cleanup(func() { runtime.KeepAlive(current); runtime.KeepAlive(own) })
	return th, th.Enter()
}

// The runtime ends the goroutine of a coroutine by a deferred call, so a panic that is
// not recovered there vanishes: the next one would go on as if nothing had been.
func TestAPanicThatEscapesABodyEndsTheProcess(t *testing.T) {
	if os.Getenv("GREENLET_TEST_CHILD") == "escape" {
		runtime.LockOSThread()
		th, root := newThread(t)
		var c *Coro
		c, err := th.New(0, func() {
			th.Switch(c, root)
			panicsInABody()
		})
		require.NoError(t, err)
		th.Switch(root, c)
		c.c.gp = root.g // whom the end of the goroutine would go on with
		th.Switch(root, c)
		os.Exit(0)
	}
	exe, err := os.Executable()
	require.NoError(t, err)
	args := []string{exe, "-test.run=^" + t.Name() + "$"}
	if emulator := os.Getenv("GREENLET_EMULATOR"); emulator != "" {
		args = append([]string{emulator}, args...)
	}
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env = append(os.Environ(), "GREENLET_TEST_CHILD=escape")
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	require.ErrorAs(t, err, &exit, "%s", out)
	assert.Equal(t, 2, exit.ExitCode())
	text := string(out)
	assert.Contains(t, text[:min(len(text), 1000)], "panic: it escaped")
	assert.Contains(t, text, "panicsInABody(")
}

//go:noinline
func panicsInABody() { panic(errors.New("it escaped")) }

// The runtime takes a goroutine that makes a system call for broken if what it began
// with is still in its record. (Where its stack is grown first, that is taken out.)
func TestASystemCallIsTheFirstThing(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	th, root := newThread(t)
	var c *Coro
	c, err := th.New(0, func() {
		_, _, _ = syscall.Syscall(syscall.SYS_GETPPID, 0, 0, 0)
		th.Exit(c, root)
	})
	require.NoError(t, err)
	th.Switch(root, c)
}

// Whoever is suspended by our own switch looks as if the runtime's had done it.
func TestASuspendedCoroutineLooksLikeTheRuntimes(t *testing.T) {
	if raceEnabled {
		t.Skip("with the race detector all switches are the runtime's")
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	th, root := newThread(t)
	var c *Coro
	c, err := th.New(0, func() {
		for range 3 {
			th.Switch(c, root)
		}
		th.Exit(c, root)
	})
	require.NoError(t, err)
	type looks struct {
		m, lockedM, ctxt uintptr
		status           uint32
		waitReason       uint8
	}
	look := func() looks {
		return looks{*at[uintptr](c.g + gM), *at[uintptr](c.g + gLockedM), *at[uintptr](c.g + gSchedCtxt),
			*at[uint32](c.g + gStatus) &^ 0x1000, *at[uint8](c.g + gWaitReason)}
	}
	th.Switch(root, c)
	ours := look()
	th.official = true
	th.Switch(root, c)
	theirs := look()
	th.official = false
	th.Switch(root, c)
	assert.Equal(t, theirs, ours)
	assert.Equal(t, theirs, look())
	th.Switch(root, c)
}

// A coroutine that waits for another body inherits what a new one gets of the goroutine that makes it (newproc1).
func TestACoroutineInheritsWhatANewOneGets(t *testing.T) {
	if gFipsBypass == 0 {
		t.Skip("this version has nothing else to inherit")
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	th, root := newThread(t)
	ends := func() *Coro {
		var c *Coro
		c, err := th.New(0, func() { th.Exit(c, root) })
		require.NoError(t, err)
		return c
	}
	old := ends()
	defer th.Switch(root, old)
	flags := func(g uintptr) [2]uint8 { return [2]uint8{*at[uint8](g + gFipsBypass), *at[uint8](g + gDitWanted)} }
	set := func(f [2]uint8) { *at[uint8](getg() + gFipsBypass), *at[uint8](getg() + gDitWanted) = f[0], f[1] }
	before := flags(getg())
	defer set(before)
	for _, f := range [][2]uint8{{1, 0}, {0, 1}, {0, 0}, {1, 1}, before} {
		set(f)
		fresh := ends()
		old.Inherit()
		set(before)
		assert.Equal(t, f, flags(fresh.g))
		assert.Equal(t, flags(fresh.g), flags(old.g))
		th.Switch(root, fresh)
	}
}
