//go:build cgo && linux

package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/go-greenlet/greenlet"
)

// Iterators in Go take no threads of their own, and iterators that are suspended in C take one each.
func TestThreads(t *testing.T) {
	if !strings.HasPrefix(greenlet.Runtime(), "one M") {
		t.Skip("each takes a thread on the portable engine")
	}
	const n = 40
	before := Threads()
	s := Open(50*n, rows)
	assert.Less(t, Threads(), before+n)
	assert.Equal(t, 50*n*page, s.Pages())
	s.Close()
	s = Open(n, files)
	assert.GreaterOrEqual(t, Threads(), n)
	assert.Equal(t, n*page, s.Pages())
	s.Close()
}
