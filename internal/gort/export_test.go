package gort

// Getg returns the calling goroutine's g.
func Getg() uintptr { return getg() }
