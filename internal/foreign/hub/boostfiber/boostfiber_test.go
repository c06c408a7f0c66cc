//go:build greenlet_foreign && cgo && linux

package boostfiber_test

import (
	"testing"

	"github.com/go-greenlet/greenlet/internal/foreign/hub/boostfiber"
	"github.com/go-greenlet/greenlet/internal/foreign/hub/hubtest"
)

func TestScheduler(t *testing.T) { hubtest.All(t, boostfiber.Library()) }
