//go:build asan

package greenlet_test

import "testing"

const asan = true

func noAsan(t testing.TB, why string) { t.Helper(); t.Skip("with -asan: " + why) }
