package greenlet_test

import (
	"sync"
	"sync/atomic"
	"syscall"
)

// Windows calls Go back with cgo and without.
const hasCallbacks = true

var (
	called   sync.Map // the functions of calledBack, by numbers
	calls    atomic.Uintptr
	callback = syscall.NewCallback(func(n uintptr) uintptr {
		f, _ := called.LoadAndDelete(n)
		f.(func())()
		return 0
	})
	kernel32     = syscall.NewLazyDLL("kernel32.dll")
	createThread = kernel32.NewProc("CreateThread")
)

// calledBack has Windows call f.
func calledBack(f func()) {
	n := calls.Add(1)
	called.Store(n, f)
	_, _, _ = syscall.SyscallN(callback, n) // its result is of the callback, which has none
}

// calledBackOnThread has Windows call f on a thread that Windows makes for it.
func calledBackOnThread(f func()) error {
	n := calls.Add(1)
	called.Store(n, f)
	thread, _, err := createThread.Call(0, 0, callback, n, 0, 0)
	if thread == 0 {
		return err
	}
	defer syscall.CloseHandle(syscall.Handle(thread))
	_, err = syscall.WaitForSingleObject(syscall.Handle(thread), syscall.INFINITE)
	return err
}
