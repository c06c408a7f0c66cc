//go:build greenlet_foreign && !asan && cgo && linux

// Not with the look for leaks of AddressSanitizer: the library keeps memory at its end.

package st_test

import (
	"testing"

	"github.com/go-greenlet/greenlet/internal/foreign/hub/hubtest"
	"github.com/go-greenlet/greenlet/internal/foreign/hub/st"
)

func TestScheduler(t *testing.T) { hubtest.All(t, st.Library()) }
