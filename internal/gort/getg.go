//go:build amd64 || arm64

package gort

// getg returns the running goroutine's g.
func getg() uintptr
