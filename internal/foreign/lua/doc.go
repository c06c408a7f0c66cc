// Package lua tests Lua's coroutines in greenlets. They are no foreign coroutines
// to Go: Lua makes them without C stacks of their own, so there is nothing to be
// adopted. It has something in it with the build tag greenlet_foreign, and then
// needs Lua 5.4 (in Debian liblua5.4-dev): make test-foreign.
package lua
