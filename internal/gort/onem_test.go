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
