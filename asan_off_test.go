//go:build !asan

package greenlet_test

import "testing"

const asan = false

// noAsan skips a test that AddressSanitizer makes pointless.
func noAsan(testing.TB, string) {}
