package gort

import (
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Where there is a table, what is measured is what it says.
func TestMeasured(t *testing.T) {
	err := Measure()
	if runtime.GOARCH != "wasm" {
		require.NoError(t, err)
		linux := runtime.GOOS == "linux" && (runtime.GOARCH == "amd64" || runtime.GOARCH == "arm64" || runtime.GOARCH == "riscv64")
		if knownMinor != 0 && (linux || runtime.GOOS == "windows" && runtime.GOARCH == "amd64") {
			assert.EqualValues(t, gLockedM, measured.lockedM)
			assert.EqualValues(t, mLocks, measured.locks)
			assert.EqualValues(t, gStatus, measured.status)
		}
	}
	t.Logf("%+v", measured)
	assert.Equal(t, slowGoroutineID(), GoroutineID())
}

func TestLocksAreCounted(t *testing.T) {
	_ = Measure()
	if measured.lockedM == 0 {
		t.Skip("there are no threads")
	}
	assert.Zero(t, LockedTo())
	for range 3 {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
	}
	external, internal := Locks(LockedTo())
	assert.EqualValues(t, 3, external)
	assert.Zero(t, internal)
}

func TestTheEndOfAGoroutineIsSeen(t *testing.T) {
	require.NotZero(t, Self().id)
	_ = Measure()
	require.NotZero(t, measured.status)
	mine, leave, left := make(chan Goroutine), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(left)
		runtime.LockOSThread() // so that nobody is the next on it
		mine <- Self()
		<-leave
	}()
	g := <-mine
	assert.False(t, g.Ended())
	assert.False(t, Self().Ended())
	close(leave)
	<-left
	for !g.Ended() {
		runtime.Gosched()
	}
}

// The functions are found wherever they are in the text.
func TestFindLines(t *testing.T) {
	require.NoError(t, FindLines())
	start := corostart()
	want := map[string]bool{"runtime.main": true, "testing.tRunner": true, "os.Exit": true, "github.com/go-greenlet/greenlet/internal/gort.TestFindLines": true}
	around(start, func(_ uintptr, name string) bool {
		delete(want, name)
		return len(want) == 0
	})
	assert.Empty(t, want)
}
