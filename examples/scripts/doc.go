// Package scripts is an HTTP server in which each request runs a Lua script, all of them on
// one thread. What a script calls looks blocking to it (fetch, sleep, query) and suspends that
// script only: a tasklet's Await, in the midst of Lua's C frames, while a goroutine works.
//
// A script has a time limit, and ends with its client; one that loops lets the others run.
//
// It has something in it with the build tag greenlet_foreign, and then needs Lua 5.4 and SQLite
// (in Debian liblua5.4-dev and libsqlite3-dev): make scripts.
package scripts
