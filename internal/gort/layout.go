package gort

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
)

// A Layout says where the runtime keeps what the switch of greenlets touches: the
// distances of fields from the beginning of their structs, in bytes. layouts.go
// has those of every supported Go version; gen made them.
//
// For each field: what is relied on, and why that is sound. "The switch" is C code
// between entersyscall and exitsyscall (proc.go): the goroutine is in _Gsyscall,
// nothing else runs on the thread.
type Layout struct {
	// g.m: the M of a g0; constant for the life of an M. m.curg: an extra M's
	// goroutine; constant, too (oneNewExtraM). m.g0: only for the check.
	GM, MCurg, MG0 uint32

	// g.atomicstatus: from Go 1.26 on, whoever has set _Gscan in a goroutine that
	// is in _Gsyscall owns the links between its M and its P
	// (setBlockOnExitSyscall, which sysmon, the collector and others go through).
	GStatus uint32

	// m.p and p.m: those links. From 1.26 on a P stays with an M in a system call;
	// the switch moves it to the M that goes on (see csrc/go.c).
	MP, PM uint32

	// m.oldp: the P that exitsyscall tries first. Up to 1.25 a P is let go at a
	// system call (_Psyscall) and only remembered here; the M's own thread alone
	// reads and writes it.
	MOldp uint32

	// p.status: only for the check.
	PStatus uint32

	// m.procid: the thread, for signals (signalM) and profile timers, which take its
	// low 32 bits; and the thread's name in execution traces, which takes all 64. The
	// tracer expects that a thread has one M, so a worker's M gets a number of its
	// own into the high half.
	MProcid uint32

	// m.signalPending: a preemption signal is under way (preemptM), so no second
	// one is sent. m.preemptGen: how many have come; who waits for one to come looks
	// at this (suspendG). On a thread with many Ms the signal can find another M in
	// place, and then does both for that one (doSigPreempt). So it is done for the
	// M that goes on, if its flag is set, and for a new worker's, which can have the
	// flag from a life before: dropm lets a signal that comes meanwhile go by. Doing
	// it too early does no harm but a second signal.
	MSignalPending, MPreemptGen uint32

	// m.profileTimer, m.profileTimerValid: the M's own timer for CPU profiles
	// (setThreadCPUProfiler). Each M of a thread would get one, and each would count
	// the whole thread's time. They are deleted; samples then come from the process's
	// timer, as for any M without one (validSIGPROF). m.profilehz is not 0 while there
	// is a timer, and for some time after; it is what a switch looks at, since it is
	// beside m.locks, which entersyscall touches anyway.
	MProfileTimer, MProfileTimerValid, MProfilehz uint32

	// What makes an extra M's goroutine as it was when it was made
	// (oneNewExtraM), for a worker whose frames will never run again. The sched
	// fields say where a callback puts its frame (cgocallback); the syscall fields
	// and stktopsp are for tracebacks; the counters are of calls that will never
	// return. As found on a fresh M, so each worker's start checks them again.
	GStackHi, GSchedSP, GSchedPC, GSchedBP, GSyscallSP, GSyscallPC, GSyscallBP, GStktopSP uint32
	GPanic, GDefer, MNcgo, MLockedInt, MLockedExt, MIsExtraInC                            uint32

	// g.cgoCtxt: what the context function of SetCgoTraceback has made for the calls from
	// C that are under way, a slice of words; the stub that such a call begins with gives
	// each back as it returns (cgocallbackg1). For those that never return it is done here.
	GCgoCtxt uint32

	// m.sigmask: the thread's signal mask as the M was bound (needm), which dropm sets
	// again (unminit). C may have set another one since.
	MSigmask uint32

	// m.goSigStack.stack, m.newSigstack: while the M uses the signal stack that the
	// thread has had before (newSigstack is false: minitSignalStack), the bounds of its
	// own, which nobody uses then. malg has zeroed its lowest word, and so has made a
	// page of it resident; that page is given back, and is zero again when it is used.
	MGoSigStack, MNewSigstack uint32

	// m.trace.writing (up to 1.25 seqlock, odd while writing), and m.trace.buf for
	// even and odd generations: while the flag is set, the tracer leaves the M's
	// buffers alone (traceAdvance). traceBuf's pos, lenPos and arr: a worker that
	// starts during an execution trace has told of it under the thread's number
	// before it can get its own, so the header of the buffer is written again
	// (rename_batch in csrc/go.c, which looks at every byte of it first; the format
	// is that of traceWriter.refill, tracebuf.go).
	MTraceWriting, MTraceBuf0, MTraceBuf1, TraceBufPos, TraceBufLenPos, TraceBufArr uint32
}

// A Mode is how the P goes along with a switch.
type Mode uint32

const (
	Plain    Mode = iota // it does not: the runtime finds one, or waits for one
	Attached             // Go 1.26 and later: m.p moves
	Oldp                 // up to Go 1.25: m.oldp is passed on
)

// Numbers of runtime2.go that have been the same in all supported versions.
const (
	gRunning = 2
	gWaiting = 4
	pRunning = 1
)

// Detect returns the layout of the running program's runtime, after checking it
// against live structures, and the mode to use it in. Where there is none, mode is
// Plain. why says how that came, for people.
//
// It must be called on a goroutine that is locked to its thread.
func Detect() (l Layout, mode Mode, why string) {
	if v := os.Getenv("GREENLET_RUNTIME"); v == "plain" {
		return l, Plain, "GREENLET_RUNTIME=plain"
	} else if v != "" && v != "auto" {
		return l, Plain, fmt.Sprintf("GREENLET_RUNTIME=%q is neither plain nor auto", v)
	}
	minor, ok := goMinor(runtime.Version())
	if ok {
		l, ok = layouts[key{minor, runtime.GOARCH}]
	}
	if !ok {
		return l, Plain, fmt.Sprintf("%s on %s is not known", runtime.Version(), runtime.GOARCH)
	}
	if !HasLocal {
		return Layout{}, Plain, runtime.GOARCH + " has no assembly here"
	}
	err := l.check()
	for range 100 { // the P can be taken away just while it is looked at
		if err == nil {
			break
		}
		err = l.check()
	}
	if err != nil {
		return Layout{}, Plain, fmt.Sprintf("the layout known for %s does not hold: %v", runtime.Version(), err)
	}
	mode = Attached
	if minor <= 25 {
		mode = Oldp
	}
	return l, mode, fmt.Sprintf("layout of go1.%d on %s, checked", minor, runtime.GOARCH)
}

type key struct {
	minor int
	arch  string
}

// goMinor takes "go1.26.8" to 26. Versions with experiments ("X:...") or under
// development may have other structs, and are not known.
func goMinor(version string) (minor int, ok bool) {
	rest, ok := strings.CutPrefix(version, "go1.")
	if !ok || strings.ContainsAny(rest, " -+") {
		return 0, false
	}
	digits, _, _ := strings.Cut(rest, ".")
	for i, r := range digits { // go1.27rc1
		if r < '0' || r > '9' {
			digits = digits[:i]
			break
		}
	}
	minor, err := strconv.Atoi(digits)
	return minor, err == nil
}

// check compares the layout with the calling goroutine, its M and its P.
func (l *Layout) check() error {
	r, err := newReader()
	if err != nil {
		return err
	}
	defer r.close()
	g := getg()
	m := r.word(g + uintptr(l.GM))
	g0 := r.word(m + uintptr(l.MG0))
	p := r.word(m + uintptr(l.MP))
	for _, c := range []struct {
		what      string
		got, want uint64
	}{
		{"g.m.curg", uint64(r.word(m + uintptr(l.MCurg))), uint64(g)},
		{"g.m.g0.m", uint64(r.word(g0 + uintptr(l.GM))), uint64(m)},
		{"g.atomicstatus", uint64(r.half(g + uintptr(l.GStatus))), gRunning},
		{"g.m.p.m", uint64(r.word(p + uintptr(l.PM))), uint64(m)},
		{"g.m.p.status", uint64(r.half(p + uintptr(l.PStatus))), pRunning},
		{"g.m.procid", uint64(r.word(m+uintptr(l.MProcid))) & 0xffffffff, uint64(threadID())},
		{"g.m.signalPending over 1", uint64(r.half(m+uintptr(l.MSignalPending))) >> 1, 0},
		{"g.m.profileTimerValid over 1", uint64(r.half(m+uintptr(l.MProfileTimerValid))) & 0xff >> 1, 0},
	} {
		if r.err != nil {
			return fmt.Errorf("%s: %w", c.what, r.err)
		}
		if c.got != c.want {
			return fmt.Errorf("%s is %#x and not %#x", c.what, c.got, c.want)
		}
	}
	return nil
}
