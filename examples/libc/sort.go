//go:build cgo && linux

package libc

// #include "libc.h"
import "C"

import (
	"cmp"
	"unsafe"

	"github.com/go-greenlet/greenlet/callback"
)

type comparer = func(i, j int) int

// Sort sorts s with qsort(3), in the order that compare says: negative when a
// comes before b, positive when after. The sort need not be stable.
//
// If compare panics, s is left as it was. qsort cannot be stopped, but compare is
// not called any more.
func Sort[T any](s []T, compare func(a, b T) int) {
	if len(s) == 0 {
		return
	}
	// C sorts numbers that stand for the elements: those may contain Go pointers.
	order := make([]int, len(s))
	for i := range order {
		order[i] = i
	}
	callback.During(func(i, j int) int { return compare(s[i], s[j]) }, func(h uintptr) {
		C.libc_sort((*C.intptr_t)(unsafe.Pointer(&order[0])), C.size_t(len(order)), C.uintptr_t(h))
	})
	sorted := make([]T, len(s))
	for i, from := range order {
		sorted[i] = s[from]
	}
	copy(s, sorted)
}

//export libcCompare
func libcCompare(h C.uintptr_t, a, b C.intptr_t) (result C.int) {
	callback.Do(uintptr(h), func(compare comparer) {
		result = C.int(cmp.Compare(compare(int(a), int(b)), 0)) // an int may not fit
	})
	return result
}
