//go:build (linux && (amd64 || arm64 || riscv64)) || (windows && amd64 && !cgo)

package gort

import (
	"testing"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestGoMinor(t *testing.T) {
	for version, want := range map[string]int{"go1.24": 24, "go1.26.8": 26, "go1.27rc1": 27, "go1.127.3": 127,
		"go1.25.5 X:nodwarf5,jsonv2,greenteagc": 25, "go1.26.8-X:jsonv2,nogreenteagc": 26, "go1.27rc1-X:simd": 27} {
		minor, ok := goMinor(version)
		assert.True(t, ok, version)
		assert.Equal(t, want, minor, version)
	}
	for _, version := range []string{"", "go2.1", "devel go1.28-abc", "go1.24.11 X:nospinbitmutex", "go1.26.8-X:jsonv2,runtimesecret",
		"go1.26.8-vendor-X:jsonv2", "devel go1.28-abc X:jsonv2", "go1.26.8 X:", "X:jsonv2", "go1.X:jsonv2", "go1.28-abc123", "go1.", "go1.x"} {
		_, ok := goMinor(version)
		assert.False(t, ok, version)
	}
}

// What cannot be read is an error, and so is all that is read after it.
func TestTheReader(t *testing.T) {
	x := uint64(5)<<32 | 7
	here := uintptr(unsafe.Pointer(&x))
	for _, wrong := range []uintptr{0, 64, 1 << 46, 1 << 62, ^uintptr(0) - 7} {
		r, err := newReader()
		require.NoError(t, err)
		assert.EqualValues(t, x, r.word(here))
		assert.EqualValues(t, 7, r.half(here))
		assert.EqualValues(t, 5, r.half(here+4))
		require.NoError(t, r.err)
		assert.Zero(t, r.word(wrong), "%#x", wrong)
		require.Error(t, r.err, "%#x", wrong)
		assert.Zero(t, r.word(here))
		r.close()
	}
}
