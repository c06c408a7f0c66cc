//go:build greenlet_php && cgo && linux

package php

// Unadopted has PHP start without a word to Go of its fibers.
func Unadopted() { php.unsafe = true }
