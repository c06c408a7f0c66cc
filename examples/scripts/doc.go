// Package scripts is an HTTP server in which each request runs a Lua script, all of them on
// one thread. What a script calls looks blocking to it (fetch, sleep, query) and suspends that
// script only: a tasklet's Await, in the midst of Lua's C frames, while a goroutine works.
//
// A script has a time limit, and ends with its client; one that loops lets the others run.
//
// Scripts have neither files nor the process, and 64 MiB of memory each. What Lua's own C functions
// do is not interrupted: a pattern can take its time.
//
// A thousand scripts that wait 10 times for 100 ms (go test -tags greenlet_foreign -run '^$' -bench
// Scripts -benchtime 5x ./examples/scripts: medians of 5 rounds, in which both take turns, while other
// programs kept the machine busy):
//
//	                    one thread    a thread each
//	CPU time, a script      1.0 ms           2.0 ms
//	later than the waits    1.0 s            5.3 s     (median)
//	the last of them        1.3 s            9.9 s
//	resident, a script       63 KiB           47 KiB
//	threads                   8              859
//
// It has something in it with the build tag greenlet_foreign, and then needs Lua 5.4 and SQLite
// (in Debian liblua5.4-dev and libsqlite3-dev): make scripts.
package scripts
