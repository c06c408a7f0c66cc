//go:build greenlet_foreign && cgo && linux

package throw_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/go-greenlet/greenlet"
	"github.com/go-greenlet/greenlet/internal/foreign/throw"
)

func TestAnExceptionOfALeastProgram(t *testing.T) {
	_, err := greenlet.NewC(throw.Body, nil).Switch(nil)
	assert.EqualError(t, err, "greenlet: an exception left a C++ body: std::runtime_error: no more wine")
}
