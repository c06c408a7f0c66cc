//go:build greenlet_foreign

package scripts

// Running is how many scripts have not ended.
func Running() int { return int(running.Load()) }
