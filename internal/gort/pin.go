package gort

// Locks that keep a root on its thread however often it calls runtime.UnlockOSThread.

// pinCount is what Pin adds to m.lockedExt, which counts LockOSThread less UnlockOSThread
// and stops at 0. Only the M's own goroutine looks at it (proc.go).
const pinCount = 1 << 30

// Pin keeps the calling goroutine, which has called LockOSThread, on its thread however
// often UnlockOSThread is called, until Unpin.
//
//go:norace
func Pin() {
	n := at[uint32](*at[uintptr](getg() + gM) + mLocks)
	if *n < pinCount/2 { // else a root on a thread of C's left it so, and its M is used again
		*n += pinCount
	}
}

// Unpin takes that back. What was locked and unlocked in between counts as it would have
// without, but one lock is left at least, which is the caller's.
//
//go:norace
func Unpin() {
	n := at[uint32](*at[uintptr](getg() + gM) + mLocks)
	if *n >= pinCount/2 {
		*n = max(*n, pinCount+1) - pinCount
	}
}
