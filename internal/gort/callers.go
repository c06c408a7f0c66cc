package gort

import "runtime"

// What is told by the names of the runtime's functions among the callers.

// eachCaller calls f with the names of the functions that have called the caller's caller, the
// innermost first, until f says that it has seen enough.
func eachCaller(f func(name string) (enough bool)) {
	pcs := make([]uintptr, 64)
	for skip := 3; ; skip += len(pcs) {
		n := runtime.Callers(skip, pcs)
		if n == 0 {
			return
		}
		frames := runtime.CallersFrames(pcs[:n])
		for more := true; more; {
			var frame runtime.Frame
			frame, more = frames.Next()
			if f(frame.Function) {
				return
			}
		}
	}
}

// Initialising says whether the caller is the initialisation of one of the program's
// packages: a greenlet that it starts would wait for its end, and it for the greenlet.
// (doInit1, proc.go, runs them all; those of a plugin come when callbacks are let in.)
func Initialising() (yes bool) {
	eachCaller(func(name string) bool {
		if name == "plugin.open" {
			yes = false
			return true
		}
		yes = yes || name == "runtime.doInit1"
		return false
	})
	return yes
}

// CallerHasFrames says whether there are Go frames below the innermost call from C
// (cgocallback, asm_*.s) on the calling goroutine.
func CallerHasFrames() (yes bool) {
	entered := false
	eachCaller(func(name string) bool {
		yes = entered && name != "" && name != "runtime.goexit"
		entered = entered || name == "runtime.cgocallback"
		return yes
	})
	return yes
}
