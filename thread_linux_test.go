package greenlet_test

import "syscall"

// onMainThread says whether the caller runs on the process's first thread, which
// does not end when a goroutine that is locked to it does.
func onMainThread() bool { return syscall.Gettid() == syscall.Getpid() }

// threadID is the calling goroutine's thread, for now.
func threadID() int { return syscall.Gettid() }
