// Package callback makes Go functions callable from C libraries that only know how to call
// back, without a panic that skips the C frames in between.
//
// C gets a handle: a number, which is passed wherever the library lets its callers pass a
// pointer of their own (often called user data), and which the exported Go function gets back.
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
// A panic must not skip the C frames, because memory, locks and files that the C function
// holds would never be released. So Do recovers it, and calls nothing more for that handle until
// the C function has returned; then During panics with the same value. The exported function
// should set its result, before Do, to the value that tells the library to stop.
//
// For that reason [greenlet.Greenlet.MustSwitch] can be used in callbacks: the panic by which it
// unwinds is kept in the same way. [runtime.Goexit] cannot be kept, and skips the C frames.
//
// # Threads
//
// Handles may be made, called and deleted on any threads. But the callbacks of one handle must not
// run on two threads at the same time, since a handle keeps one panic and has no lock: a library
// that calls back on threads of its own needs a handle for each. Within one thread the callbacks
// of a handle may be nested.
//
// # Greenlets
//
// A callback may switch to other greenlets, which may call the same library meanwhile, since each
// call of During has a handle of its own. During may be called within a callback, too.
package callback
