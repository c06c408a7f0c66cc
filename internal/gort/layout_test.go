package gort

import (
	"reflect"
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestGoMinor(t *testing.T) {
	for version, want := range map[string]int{"go1.24": 24, "go1.26.8": 26, "go1.27rc1": 27, "go1.127.3": 127} {
		minor, ok := goMinor(version)
		assert.True(t, ok, version)
		assert.Equal(t, want, minor, version)
	}
	for _, version := range []string{"", "go2.1", "devel go1.28-abc", "go1.26.8 X:synctest", "go1.28-abc123", "go1.", "go1.x"} {
		_, ok := goMinor(version)
		assert.False(t, ok, version)
	}
}

func lockedLayout(t *testing.T) Layout {
	t.Helper()
	runtime.LockOSThread()
	t.Cleanup(runtime.UnlockOSThread)
	minor, ok := goMinor(runtime.Version())
	require.True(t, ok)
	l, ok := layouts[key{minor, runtime.GOARCH}]
	if !ok {
		t.Skipf("%s on %s is not known", runtime.Version(), runtime.GOARCH)
	}
	return l
}

func TestTheLayoutOfThisGoHolds(t *testing.T) {
	l := lockedLayout(t)
	err := l.check()
	for i := 0; err != nil && i < 100; i++ { // the P can be taken away just then
		err = l.check()
	}
	require.NoError(t, err)
	t.Setenv("GREENLET_RUNTIME", "")
	_, mode, why := Detect()
	assert.NotEqual(t, Plain, mode, why)
}

func TestPlainOnRequest(t *testing.T) {
	for _, v := range []string{"plain", "typo"} {
		t.Setenv("GREENLET_RUNTIME", v)
		_, mode, why := Detect()
		assert.Equal(t, Plain, mode)
		assert.Contains(t, why, v)
	}
}

// A wrong offset is found, whatever lies there, and does no harm. (The fields that
// make a goroutine fresh are checked in C, at the start of every worker.)
func TestAWrongLayoutIsFound(t *testing.T) {
	good := lockedLayout(t)
	unchecked := map[string]bool{ // for reasons: see Layout
		"MOldp": true, "MSignalPending": true, "MPreemptGen": true, "MProfilehz": true, "MProfileTimer": true, "MProfileTimerValid": true,
		"GStackHi": true, "GSchedSP": true, "GSchedPC": true, "GSchedBP": true, "GSyscallSP": true,
		"GSyscallPC": true, "GSyscallBP": true, "GStktopSP": true, "GPanic": true, "GDefer": true,
		"MNcgo": true, "MLockedInt": true, "MLockedExt": true, "MIsExtraInC": true,
		"GCgoCtxt": true, "MSigmask": true,
		"MGoSigStack": true, "MNewSigstack": true, "MTraceWriting": true, "MTraceBuf0": true, "MTraceBuf1": true, "TraceBufPos": true,
		"TraceBufLenPos": true, "TraceBufArr": true,
	}
	// Some can lie far away, too, by chance: a small number anywhere, and the thread's
	// in all of its Ms.
	elsewhere := map[string]bool{"GStatus": true, "PStatus": true, "MProcid": true}
	fields := reflect.TypeOf(good)
	for i := range fields.NumField() {
		name := fields.Field(i).Name
		if unchecked[name] {
			continue
		}
		for _, wrong := range []uint64{8, 64, 1 << 20, 1<<32 - 8} {
			if wrong == 1<<20 && elsewhere[name] {
				continue
			}
			bad := good
			f := reflect.ValueOf(&bad).Elem().Field(i)
			f.SetUint((f.Uint() + wrong) & (1<<32 - 1))
			assert.Error(t, bad.check(), "%s off by %d", name, wrong)
		}
	}
}

func TestThereIsALayoutForEverySupportedGo(t *testing.T) {
	for _, minor := range []int{24, 25, 26, 27} {
		for _, arch := range []string{"amd64", "arm64"} {
			l, ok := layouts[key{minor, arch}]
			assert.True(t, ok)
			assert.NotZero(t, l.MCurg)
		}
	}
}
