//go:build !greenlet_php

package php_test

import "testing"

func TestPHP(t *testing.T) {
	t.Skip("needs PHP as a library (in Debian libphp-embed and php-dev) and -tags greenlet_foreign,greenlet_php: make php")
}
