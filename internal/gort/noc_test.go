//go:build !cgo && ((linux && (amd64 || arm64 || riscv64)) || (windows && amd64)) && !greenlet_unknown

package gort

import (
	"runtime"
	"runtime/debug"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Without C all coroutines share the thread's own stack, and the short switch does for all,
// to the root and from it.
func TestWithoutCEverySwitchIsTheShortOne(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // the collector makes it refuse
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	ok, why := OneM(0)
	require.True(t, ok, why)
	th := NewThread(nil, 0, 0, 0)
	root := th.Enter()
	const n = 100
	crossed := 0
	cross := func(from, to *Coro) {
		if way, _ := th.SwitchFast(to); way == Refused {
			th.Switch(from, to)
		} else {
			crossed++
		}
	}
	var c *Coro
	c, err := th.New(0, func() {
		for range n {
			cross(c, root)
		}
		th.Exit(c, root)
	})
	require.NoError(t, err)
	for range n + 1 {
		cross(root, c)
	}
	th.Trim(0)
	assert.Equal(t, 2*n+1, crossed)
	assert.Zero(t, th.Officials)
}
