//go:build cgo && linux

package cbench_test

import (
	"errors"
	"runtime"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-greenlet/greenlet/internal/cbench"
)

// Every kind comes back from every switch: what is measured works.
func TestAllKindsSwitch(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for _, kind := range []string{"glet_coro_switch", "glet_coro_switch_inline", "swapcontext", "minimal", "jump_fcontext"} {
		t.Run(kind, func(t *testing.T) {
			for _, frames := range []int{0, 3} {
				b, err := cbench.New(kind, 3, frames, []uint16{0, 2, 1, 2})
				if errors.Is(err, syscall.ENOSYS) {
					t.Skip(err)
				}
				require.NoError(t, err)
				b.Run(1000)
				b.Run(1000)
				b.Free()
			}
		})
	}
}

func TestWrongShapesAreErrors(t *testing.T) {
	for _, order := range [][]uint16{nil, {0, 0, 0}, {1, 0}} {
		_, err := cbench.New("swapcontext", 1, 0, order)
		require.Error(t, err)
	}
	_, err := cbench.New("unknown", 1, 0, []uint16{0})
	require.ErrorIs(t, err, syscall.ENOSYS)
}
