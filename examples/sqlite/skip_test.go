//go:build !greenlet_foreign

package sqlite_test

import "testing"

func TestSQLite(t *testing.T) {
	t.Skip("needs the library SQLite (in Debian libsqlite3-dev) and -tags greenlet_foreign: make test-foreign")
}
