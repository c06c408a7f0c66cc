//go:build !(cgo && linux)

// Package cgotest is C code for this module's tests. Where there is none, this stands in for
// it, so that tests in which C has a part, and not the only one, run without it.
package cgotest

import (
	"runtime"
	"time"
)

// Available says whether there is C.
const Available = false

// Glibc says that there is no C library.
const Glibc = false

// Call calls f.
func Call(f func()) { f() }

// OnThread calls f on a thread of its own.
func OnThread(f func()) error {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		f()
	}()
	<-done
	return nil
}

// Sleep sleeps.
func Sleep(d time.Duration) { time.Sleep(d) }
