//go:build boost && cgo && linux

package cbench

// #cgo CFLAGS: -DCBENCH_BOOST=1
// #cgo LDFLAGS: -lboost_context
import "C"
