//go:build greenlet_foreign && cgo && linux

package scripts

// Running is how many scripts have not ended.
func Running() int { return int(running.Load()) }
