// Package sqlite makes an iterator of sqlite3_exec, which calls back for each row,
// and SQL functions of Go functions. It has something in it with the build tag
// greenlet_foreign, and then needs SQLite (in Debian libsqlite3-dev): make test-foreign.
package sqlite
