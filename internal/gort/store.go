//go:build amd64 || arm64

package gort

// StoreRelease writes *p so that other goroutines, which read it with
// sync/atomic, see all that was written before.
//
//go:noescape
func StoreRelease(p *uint64, v uint64)
