//go:build !linux

package greenlet_test

// onMainThread says no: the first thread is told from others on Linux only.
func onMainThread() bool { return false }

// threadID is the same for all where it is not known.
func threadID() int { return 0 }
