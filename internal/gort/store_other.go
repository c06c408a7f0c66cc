//go:build !amd64 || race

package gort

import "sync/atomic"

// StoreRelease writes *p so that other goroutines, which read it with
// sync/atomic, see all that was written before.
func StoreRelease(p *uint64, v uint64) { atomic.StoreUint64(p, v) }
