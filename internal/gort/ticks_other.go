//go:build !amd64

package gort

// Ticks is the clock; see ticks_amd64.go.
func Ticks() int64 { return Nanotime() }
