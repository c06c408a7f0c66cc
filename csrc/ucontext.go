//go:build greenlet_ucontext && cgo && linux

package csrc

// #cgo CFLAGS: -DGLET_UCONTEXT=1
import "C"
