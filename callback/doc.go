// Package callback makes Go functions callable from C libraries that only know how to call
// back, without a panic that skips the C frames in between.
//
// C is given a handle: a number, which it keeps wherever the library lets its callers keep
// a pointer of their own, and which the exported Go function gets back.
//
//	type visitor = func(path string) bool
//
//	func walk(dir *C.char, visit visitor) {
//		callback.During(visit, func(h uintptr) { C.walk(dir, C.uintptr_t(h)) })
//	}
//
//	//export visited
//	func visited(h C.uintptr_t, path *C.char) (stop C.int) {
//		stop = 1 // after a panic, too
//		callback.Do(uintptr(h), func(visit visitor) {
//			if visit(C.GoString(path)) {
//				stop = 0
//			}
//		})
//		return stop
//	}
//
// # Panics
//
// A panic must not skip the C frames, or what the C function has allocated, locked and
// opened is lost. So Do keeps it, and calls nothing more for that handle, until the C
// function has returned: During panics with it then. The exported function's results should
// begin as what tells the library to stop.
//
// That makes [greenlet.Greenlet.MustSwitch] fit for callbacks: what it unwinds with waits in
// the same way. [runtime.Goexit] cannot wait, and skips the C frames.
//
// # Greenlets
//
// A callback may switch, and others call the same library meanwhile: each call has its own
// handle. During may be called within a callback, for another handle.
package callback
