package gort

import _ "unsafe" // for linkname

// Nanotime is the runtime's monotonic clock, which takes less than time.Now. The runtime
// publishes it with a push linkname (time_nofake.go).
//
//go:linkname Nanotime runtime.nanotime
func Nanotime() int64
