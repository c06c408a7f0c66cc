//go:build cgo && linux

package libc

// #include "libc.h"
import "C"

import (
	"cmp"
	"unsafe"

	"github.com/go-greenlet/greenlet/callback"
)

type looker = func(i int) int

// Search finds an element of s, which is sorted, with bsearch(3): one for which look
// returns 0. look returns a negative number where what is sought comes before the
// element, and a positive one where it comes after.
//
// If look panics, that goes on when bsearch has returned; look is not called any more.
func Search[T any](s []T, look func(T) int) (index int, found bool) {
	if len(s) == 0 {
		return 0, false
	}
	order := make([]int, len(s)) // elements may contain Go pointers, which C must not see
	for i := range order {
		order[i] = i
	}
	callback.During(func(i int) int { return look(s[i]) }, func(h uintptr) {
		index = int(C.libc_search((*C.intptr_t)(unsafe.Pointer(&order[0])), C.size_t(len(order)), C.uintptr_t(h)))
	})
	if index < 0 {
		return 0, false
	}
	return index, true
}

//export libcLook
func libcLook(h C.uintptr_t, at C.intptr_t) (result C.int) {
	callback.Do(uintptr(h), func(look looker) {
		result = C.int(cmp.Compare(look(int(at)), 0))
	})
	return result
}
