package ucontext_test

import (
	"testing"

	"github.com/go-greenlet/greenlet/internal/foreign"
	"github.com/go-greenlet/greenlet/internal/foreign/foreigntest"
	"github.com/go-greenlet/greenlet/internal/foreign/ucontext"
)

func library(t testing.TB) foreign.Library {
	l, ok := ucontext.Library()
	if !ok {
		t.Skip("this C library has no ucontext")
	}
	return l
}

func TestForeignCoroutines(t *testing.T) { foreigntest.All(t, library(t), true) }
