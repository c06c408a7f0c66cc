// Package csrc is the C core of package greenlet. The names of the files say which part
// they belong to:
//
//   - coro*, switch*, stack*, tls_slot*, exceptions*, annotate*, fault*: coroutines with
//     stacks of their own (coro.h). They know neither Go nor fibers nor greenlets.
//   - fiber*: coroutines of other libraries (fiber.h), on both engines.
//   - go_*: what knows Go: its functions that C calls (go_calls.h), where g is (go_slot),
//     extra Ms (go_m), the end of threads (go_thread), the coroutines of the portable engine
//     (go_worker), and the report of an overflow (go_overflow).
//   - greenlet*, escape*: the operations of greenlet.h, and C++ exceptions that would leave a
//     body.
//
// A header declares what the .c file of its name defines. It has no Go API. It is a Go
// package so that the go command compiles its C and assembly files and copies them when a
// consumer vendors its dependencies. Without cgo, and on other systems than Linux, there is
// nothing in it.
package csrc
