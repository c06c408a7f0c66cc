//go:build amd64 || arm64

package gort

// Getg returns the running goroutine's g, to be compared; 0 on other CPUs.
func Getg() uintptr { return getg() }

func getg() uintptr
