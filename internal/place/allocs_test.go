//go:build !asan

package place_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/go-greenlet/greenlet/internal/place"
)

// With AddressSanitizer the compiler allocates the closure on the heap, so this file is not built then.
func TestPCAllocatesNothing(t *testing.T) {
	n := 0
	f := func() { n++ }
	assert.Zero(t, testing.AllocsPerRun(10, func() { place.PC(f) }))
}
