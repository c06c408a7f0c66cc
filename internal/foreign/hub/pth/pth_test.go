//go:build greenlet_foreign && cgo && linux

package pth_test

import (
	"testing"

	"github.com/go-greenlet/greenlet/internal/foreign/hub/hubtest"
	"github.com/go-greenlet/greenlet/internal/foreign/hub/pth"
)

func TestScheduler(t *testing.T) { hubtest.All(t, pth.Library()) }
