//go:build !greenlet_foreign

package scripts_test

import "testing"

func TestScripts(t *testing.T) {
	t.Skip("needs Lua 5.4 and SQLite (in Debian liblua5.4-dev and libsqlite3-dev) and -tags greenlet_foreign: make scripts")
}
