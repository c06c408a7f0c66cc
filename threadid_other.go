//go:build !linux

package greenlet

import "sync/atomic"

var threads atomic.Int64

// threadID is a number for the thread, for people: not every system tells its own.
func threadID() int { return int(threads.Add(1)) }
