package gort

import (
	"slices"
	"strings"
	"unsafe"
)

// Labels returns the calling goroutine's profiler labels, as the runtime keeps them;
// nil: it has none. The runtime publishes this and SetLabels with push linknames
// (proflabel.go).
//
//go:linkname Labels runtime/pprof.runtime_getProfLabel
func Labels() unsafe.Pointer

// SetLabels sets them.
//
//go:linkname SetLabels runtime/pprof.runtime_setProfLabel
func SetLabels(labels unsafe.Pointer)

// A labelSet is runtime/pprof.labelMap, which labels point to: sorted by the keys.
type labelSet struct{ list []label }

type label struct{ key, value string }

// WithLabel returns labels with one more, or with another value for it.
func WithLabel(labels unsafe.Pointer, key, value string) unsafe.Pointer {
	var list []label
	if labels != nil {
		list = slices.Clone((*labelSet)(labels).list)
	}
	i, found := slices.BinarySearchFunc(list, key, func(l label, key string) int { return strings.Compare(l.key, key) })
	if found {
		list[i].value = value
	} else {
		list = slices.Insert(list, i, label{key, value})
	}
	return unsafe.Pointer(&labelSet{list})
}
