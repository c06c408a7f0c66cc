//go:build cgo && linux

package main

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

// Each greenlet is listed once, also if the parents form a cycle or are not in the list, and the
// indentation is bounded.
func TestTreeOrder(t *testing.T) {
	list := []entry{{ID: 1}, {ID: 2, Parent: 3}, {ID: 3, Parent: 2}, {ID: 4, Parent: 99}}
	for id := uint64(5); id < 1000; id++ {
		list = append(list, entry{ID: id, Parent: id - 1})
	}
	out := treeOrder(list)
	assert.Len(t, out, len(list))
	for i, o := range out {
		assert.LessOrEqual(t, o.depth, 20)
		assert.Equal(t, i == 0, o.depth == 0)
	}
	assert.Empty(t, treeOrder(nil))
}
