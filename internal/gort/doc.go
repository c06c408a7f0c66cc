// Package gort holds what this module knows of the Go runtime's insides. Nothing else in
// the module knows a field of the runtime's structs; csrc/fiber_onem.c, which is C and
// works with some of them, gets their offsets from here, in a struct (FiberLayout).
//
// # What both engines rely on
//
//   - g, the thread-local word that names the running goroutine: where it is (gslot), so
//     that the C core can carry it from stack to stack; and the register that Go code has
//     it in (getg).
//   - Two thread-local words of our own, read and written without a call into C (local).
//   - The two hooks that runtime/cgo publishes as Go variables (hooks).
//   - runtime.cgocall without the cgo wrapper (cgocall), and the profiler's labels
//     (labels), which the runtime publishes with push linknames.
//
// The portable engine uses nothing else of this package; csrc/go.c has the functions of
// the runtime whose behaviour it relies on.
//
// # What the engine of one M relies on
//
// All of it is for the versions that are listed in offsets_go1NN.go only, which gen
// writes, and OneM looks at live structs before it says that the engine can be used.
//
//   - Fields of g and m: offsets.go says what each is for, and why that is sound.
//   - struct coro, the beginning of struct g (stack.lo, stack.hi, stackguard0 and 1), and
//     that lockedExt and lockedInt are side by side.
//   - runtime.newcoro, coroswitch and reentersyscall, which are found by their places
//     (find, fiber), since the linker allows no linkname for them. They are called by the
//     internal ABI, as is runtime.goexit's return address.
//   - The states of goroutines (_Grunning, _Gwaiting, and the bit _Gscan), and the wait
//     reason of a coroutine, which is read from one.
//   - What a goroutine is like that newcoro has made and that has not run: its pc, its
//     closure and the depth of its frame are read from one.
//   - Where code that switches, or gives up, must be as the runtime's own is
//     (coroswitch_m, mcall, gosave_systemstack_switch, corostart): onem.go, switch_*.s.
//   - How C is called and calls back (asmcgocall, cgocallback, callbackUpdateSystemStack,
//     reentersyscall, exitsyscall): fiber.go, fiber_*.s and csrc/fiber_onem.c.
package gort
