package greenlet

import "syscall"

// threadID is the thread's number, for people.
func threadID() int { return syscall.Gettid() }
