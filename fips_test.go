//go:build go1.26 && cgo && linux

package greenlet_test

import (
	"crypto/fips140"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-greenlet/greenlet"
)

// A body is in crypto/fips140.WithoutEnforcement if the one that starts it is, as a goroutine that is made
// there, also if its worker has run others elsewhere.
func TestEnforcementIsInherited(t *testing.T) {
	needsOneM(t, "the other engines use goroutines again that were made elsewhere")
	if os.Getenv("GREENLET_TEST_CHILD") != "fips" {
		cmd := child(t, "fips", "-test.run=^"+t.Name()+"$", "-test.v")
		cmd.Env = append(cmd.Env, "GODEBUG=fips140=only")
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s", out)
		assert.Contains(t, string(out), "enforced outside")
		return
	}
	require.True(t, fips140.Enforced())
	enforced := func() bool {
		next, stop := greenlet.Pull(func(yield func(bool) bool) { yield(fips140.Enforced()) })
		defer stop()
		yes, _ := next()
		return yes
	}
	check := func() {
		for range 3 {
			fips140.WithoutEnforcement(func() { assert.False(t, enforced()) })
			assert.True(t, enforced())
		}
	}
	for range 20 {
		onGoroutine(check)
		onGoroutine(func() { fips140.WithoutEnforcement(func() { enforced() }) })
		onGoroutine(func() { assert.True(t, enforced()) })
	}
	tree(t, func(*greenlet.Greenlet) { check() })
	t.Log("enforced outside")
}
