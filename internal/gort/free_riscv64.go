//go:build linux

package gort

// savedSPAt is where cgocallback saves what was in g0.sched.sp, above what it puts there
// (savedsp, asm_riscv64.s).
const savedSPAt = 8
