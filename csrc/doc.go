// Package csrc is the C core of package greenlet: coroutines with stacks of
// their own (coro.h), and the one file that ties them to Go (go.h).
//
// It has no Go API. It is a Go package so that the go command compiles its C and
// assembly files and copies them when a consumer vendors its dependencies. Without cgo, and
// on other systems than Linux, there is nothing in it.
package csrc
