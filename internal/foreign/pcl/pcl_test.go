//go:build greenlet_foreign && cgo && linux

package pcl_test

import (
	"testing"

	"github.com/go-greenlet/greenlet/internal/foreign/foreigntest"
	"github.com/go-greenlet/greenlet/internal/foreign/pcl"
)

func TestForeignCoroutines(t *testing.T) { foreigntest.All(t, pcl.Library(), false) }
