//go:build cgo && linux

package gort

// GSlot returns the distance of g from the thread pointer, in bytes.
func GSlot() int { return gslot() }

// GSlotHoldsG says whether the word at GSlot is the running goroutine's g, which
// Go code has in a register too.
func GSlotHoldsG() bool { return uintptr(LoadLocal(uintptr(gslot()))) == getg() }

func gslot() int
