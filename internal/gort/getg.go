package gort

// Getg returns the running goroutine's g, to be compared.
func Getg() uintptr { return getg() }

// getg is in assembly, which comes first for a CPU that is new to Go.
func getg() uintptr
