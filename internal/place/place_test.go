package place_test

import (
	"runtime"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/go-greenlet/greenlet/internal/place"
)

func TestPC(t *testing.T) {
	n := 0
	f := func() { n++ }
	assert.Equal(t, runtime.FuncForPC(place.PC(f)).Name(), "github.com/go-greenlet/greenlet/internal/place_test.TestPC.func1")
	assert.Zero(t, place.PC[func()](nil))
}

func TestCaller(t *testing.T) {
	for range slices.Values([]int{1}) {
		assert.Regexp(t, `/place_test.go:\d+$`, place.Caller())
	}
	assert.Equal(t, "an unknown place", place.Of(nil))
}
