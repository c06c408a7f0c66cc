package gort

import "unsafe"

// Words and functions at addresses.

// funcAt is a function whose code begins at pc.
func funcAt[T any](pc uintptr) T {
	fv := &struct{ pc uintptr }{pc}
	return *(*T)(unsafe.Pointer(&fv))
}

// at is what lies at an address.
func at[T any](p uintptr) *T { return *(**T)(unsafe.Pointer(&p)) }
