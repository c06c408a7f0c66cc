//go:build cgo && linux && !amd64

package gort

// GSlot returns 0: the assembler has no name for g's place here. The C core
// searches for it, starting from the register that holds g.
func GSlot() int { return 0 }

// GSlotHoldsG has nothing to add to the C core's own check.
func GSlotHoldsG() bool { return true }
