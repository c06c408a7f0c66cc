//go:build !amd64

package gort

import _ "unsafe" // for linkname

// Ticks is the clock; see ticks_amd64.go.
//
//go:linkname Ticks runtime.nanotime
func Ticks() int64
