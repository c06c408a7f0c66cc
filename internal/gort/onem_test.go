//go:build cgo && linux && amd64 && !asan && !greenlet_unknown

package gort

import (
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestOneMHolds(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	ok, why := OneM(uintptr(gslot()))
	require.True(t, ok, why)
}

// The first switch of a root can be a SwitchFast, and then its thread's own stack is to be in
// place again, with its bounds, when the root goes on.
func TestTheThreadsOwnStackComesBack(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	th, root := newThread(t)
	var c *Coro
	c, err := th.New(0, func() {
		th.Switch(c, root)
		th.Exit(c, root)
	})
	require.NoError(t, err)
	g0 := *at[uintptr](*at[uintptr](getg() + gM) + mG0)
	words := func() [5]uintptr {
		return [5]uintptr{*at[uintptr](g0), *at[uintptr](g0 + 8), *at[uintptr](g0 + gGuard0), *at[uintptr](g0 + gGuard0 + 8), *at[uintptr](g0 + gSchedSP)}
	}
	before := words()
	for range 2 {
		th.Switch(root, c)
		require.Equal(t, before, words())
	}
}
