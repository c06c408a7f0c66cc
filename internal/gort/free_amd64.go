//go:build linux || (windows && !cgo)

package gort

// savedSPAt is where cgocallback saves what was in g0.sched.sp, above what it puts there
// (asm_amd64.s).
const savedSPAt = 0
