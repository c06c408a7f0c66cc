//go:build greenlet_ucontext

package csrc

// #cgo CFLAGS: -DGLET_UCONTEXT=1
import "C"
