//go:build !(cgo && linux && (amd64 || arm64 || riscv64))

package gort

import "unsafe"

// HasLocal says that LoadLocal and StoreLocal work on this CPU. Here they do
// not; the C core's accessors do the same, slower.
const HasLocal = false

func LoadLocal(offset uintptr) unsafe.Pointer     { panic("greenlet: no LoadLocal on this CPU") }
func StoreLocal(offset uintptr, v unsafe.Pointer) { panic("greenlet: no StoreLocal on this CPU") }
