//go:build !greenlet_foreign

package expat_test

import "testing"

func TestExpat(t *testing.T) {
	t.Skip("needs the library expat (in Debian libexpat1-dev) and -tags greenlet_foreign: make test-foreign")
}
