//go:build cgo && linux

package handle_test

import (
	"math/bits"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-greenlet/greenlet/internal/handle"
)

func TestValue(t *testing.T) {
	before := handle.Live()
	h := handle.New("x")
	assert.Equal(t, before+1, handle.Live())
	v, err := h.Value()
	require.NoError(t, err)
	assert.Equal(t, "x", v)
	require.NoError(t, h.Delete())
	assert.Equal(t, before, handle.Live())
}

func TestUnknown(t *testing.T) {
	_, err := handle.Handle(0).Value()
	assert.ErrorIs(t, err, handle.ErrStale)
	_, err = handle.Handle(0x1230).Value()
	assert.ErrorIs(t, err, handle.ErrStale)
	assert.ErrorIs(t, handle.Handle(0).Delete(), handle.ErrStale)
}

// malloc gives the same address again at once; go-pointer alone would then
// return the new value for the old handle.
func TestStaleIsNeverSomebodyElse(t *testing.T) {
	reused := 0
	address := ^uintptr(15) & (^uintptr(0) >> (bits.UintSize / 64 * 16))
	for i := range 1000 {
		old := handle.New(i)
		require.NoError(t, old.Delete())
		other := handle.New("other")
		if uintptr(old)&address == uintptr(other)&address {
			reused++
		}
		_, err := old.Value()
		require.ErrorIs(t, err, handle.ErrStale)
		require.ErrorIs(t, old.Delete(), handle.ErrStale)
		v, err := other.Value()
		require.NoError(t, err)
		require.Equal(t, "other", v)
		require.NoError(t, other.Delete())
	}
	if asan {
		return // it keeps freed addresses back
	}
	assert.NotZero(t, reused, "the address never came back, so this test has shown nothing")
}
