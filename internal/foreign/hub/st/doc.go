// Package st is State Threads, in package hub. It has something in it with the build tag
// greenlet_foreign, and then needs that library (in Debian libst-dev).
package st
