//go:build cgo && linux && (amd64 || arm64 || riscv64)

package gort

import "unsafe"

// HasLocal says that LoadLocal and StoreLocal work on this CPU.
const HasLocal = true

// LoadLocal reads the word at that distance from the thread pointer. A goroutine
// may change its thread right before and after, but not during the call: the
// value is that of one thread, the one that the goroutine ran on. A goroutine
// that is locked to its thread gets its own.
//
//go:noescape
func LoadLocal(offset uintptr) unsafe.Pointer

// StoreLocal writes that word. The collector does not see it: whoever stores a
// pointer to Go memory keeps that memory alive by other means.
//
//go:noescape
func StoreLocal(offset uintptr, v unsafe.Pointer)
