//go:build !amd64 || race

package gort

import (
	"sync/atomic"
	"unsafe"
)

// storeThread is a store that others see after all that was stored before.
func (c *Coro) storeThread(t *Thread) {
	atomic.StorePointer((*unsafe.Pointer)(unsafe.Pointer(&c.t)), unsafe.Pointer(t))
}
