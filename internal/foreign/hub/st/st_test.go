//go:build greenlet_foreign

package st_test

import (
	"testing"

	"github.com/go-greenlet/greenlet/internal/foreign/hub/hubtest"
	"github.com/go-greenlet/greenlet/internal/foreign/hub/st"
)

func TestScheduler(t *testing.T) { hubtest.All(t, st.Library()) }
