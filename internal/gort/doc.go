// Package gort holds what this module knows of the Go runtime's insides, and
// nothing else in the module does.
//
//   - g, the thread-local word that names the running goroutine: where it is
//     (gslot), so that the C core can carry it from stack to stack.
//   - Two thread-local words of our own, read and written without a call into C
//     (local).
//   - Where fields of g, m and p are, which the switch moves the processor with
//     (layout, and layouts, which gen makes).
//   - The switch on the goroutine's own stack, in assembly, and runtime.cgocall
//     without the cgo wrapper where it cannot be (switch, cgocall).
//   - The two hooks that runtime/cgo publishes as Go variables (hooks).
package gort
