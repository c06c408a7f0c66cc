//go:build amd64 && !race

package gort

// StoreRelease writes *p so that other goroutines, which read it with
// sync/atomic, see all that was written before.
//
// On amd64 every store does that, and the compiler keeps stores in order. (An
// atomic store of Go's is sequentially consistent: an XCHG, which costs more than
// the rest of a stack switch.)
func StoreRelease(p *uint64, v uint64) { *p = v }
