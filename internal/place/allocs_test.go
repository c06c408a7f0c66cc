//go:build !asan

package place_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/go-greenlet/greenlet/internal/place"
)

// Under AddressSanitizer the compiler puts what PC looks at on the heap.
func TestPCAllocatesNothing(t *testing.T) {
	n := 0
	f := func() { n++ }
	assert.Zero(t, testing.AllocsPerRun(10, func() { place.PC(f) }))
}
