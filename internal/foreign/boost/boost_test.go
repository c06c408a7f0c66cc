//go:build greenlet_foreign && cgo && linux

package boost_test

import (
	"testing"

	"github.com/go-greenlet/greenlet/internal/foreign/boost"
	"github.com/go-greenlet/greenlet/internal/foreign/foreigntest"
)

func TestForeignCoroutines(t *testing.T) { foreigntest.All(t, boost.Library(), true) }
