package gort

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"runtime/trace"
	"slices"
	"unsafe"
)

//lint:file-ignore U1000 staticcheck does not read assembly

// The engine of one M. A greenlet is a goroutine that runs on its root's own M, and is
// switched without the scheduler, as runtime.coroswitch does it for iter.Pull.
//
// C code runs on the stack of the M's g0. Coroutines that have no C frames share one C
// stack, the plain one. A coroutine that stops with C frames on it keeps that stack, and
// the next one that needs a stack gets another; when it goes on, its own is put back. So
// a coroutine owns a C stack exactly while C is suspended on it. The root has its
// thread's own, always: that is where the thread ends (mexit).
//
// Invariants, while one of a thread's coroutines runs:
//
//   - m.curg, m.lockedg and Thread.gp name its goroutine (unless an iter.Pull of its own
//     runs for it; then gp names who resumed that, or nobody).
//   - The bounds and sched.sp of m.g0 are those of the stack in place, and the C core's
//     word for the thread's current coroutine names that stack's record.
//   - m.ncgo is the number of its own calls of C, m.lockedExt and m.lockedInt are its own
//     lock counts, and at least one of them is not 0.
//   - A suspended coroutine is plain, or it is resumed by Switch only.

// A CStack is what an M's g0 has while C code, and the runtime's own, runs on a stack.
type CStack struct {
	lo, hi         uintptr // the first four as in runtime.g
	guard0, guard1 uintptr
	base           uintptr // g0.sched.sp while there are no C frames on it
	native         uintptr // the C core's record; its first word has g0.sched.sp while it is not in place
	size           int     // as asked for
	room           int     // how large it is; lo may be lower
	pc, exitSP     uintptr // under a free tree: g0.sched.pc, and of a thread's own, where the thread ends
}

// Native is the C core's record of the stack.
func (s *CStack) Native() uintptr { return s.native }

// A Coro is one of a thread's coroutines.
type Coro struct {
	// Native is the C core's coroutine, for the engine that makes one for each.
	Native uintptr

	t     *Thread        // in a free tree: whose it is; or claimed, see Claim
	g     uintptr        // the goroutine to resume; while suspended
	home  uintptr        // the one that it began with; another one is an iter.Pull's, or a fiber's
	fast  unsafe.Pointer // while suspended: owner if plain, else nil
	owner unsafe.Pointer
	c     *coro // the runtime's, which its goroutine began with; nil for a root
	root  bool
	cut   bool // while suspended: has C frames below it
	plain bool // while suspended: Cross will do
	over  bool // to end at once when it runs
	held  bool // in a free tree, while suspended: bound to its thread
	size  int  // of a C stack of its own; 0: it shares
	ncgo  int32
	locks uint64
	tie   uint64     // in a free tree, while it runs: what was added to its lock counts
	body  func()     // until it has begun
	fp    uint64     // control words
	exc   exceptions // C++'s
	cs    *CStack    // which it keeps while suspended

	Words []Word // which it carries
}

// exceptions is what the C++ runtime keeps for each thread (csrc/exceptions.h).
type exceptions struct {
	caught   uintptr
	uncaught uint32
}

// Plain says whether the coroutine, which is suspended, can be resumed by Cross.
func (c *Coro) Plain() bool { return c.plain }

// Fast is the same in one word: what SetOwner was given, or nil.
func (c *Coro) Fast() unsafe.Pointer { return c.fast }

// SetOwner is called for a coroutine that does not run.
func (c *Coro) SetOwner(owner unsafe.Pointer) {
	c.owner, c.fast = owner, nil
	if c.plain {
		c.fast = owner
	}
}

// Stack is the C stack that the coroutine owns; nil: it owns none.
func (c *Coro) Stack() *CStack { return c.cs }

// Stacks makes and frees C stacks; the C core does.
type Stacks struct {
	New func(size int) (lo, hi, native uintptr, err error)
	// Reach is how far below lo the bounds reach that the runtime gets to know.
	Reach uintptr
	Free  func(native uintptr) bool // false: it is in place as its thread ends, and stays
	Trim  func(native uintptr)      // before the stack is used again
	// Leave makes the stack its own again if a fiber is in its place (csrc/fiber.h): it
	// writes the four words of the bounds, and returns the goroutine. 0: there is none.
	Leave func(native uintptr, bounds *uintptr) uintptr
}

// A Thread is what the engine keeps for an OS thread, from its first root to its end.
type Thread struct {
	// What the assembly works with.
	gp        uintptr // the goroutine that the last switch went to
	rootG     uintptr // the root's goroutine; 0: Cross does not go from or to the root
	rootID    uint64  // and its number; of a free tree
	free      bool    // a tree's that is not bound to a thread; see free.go
	base      uintptr // of the plain stack; 0: it is not in place, or there is none
	locks     uint64  // lock counts of a plain coroutine
	ncgocall  uint64  // m.ncgocall when the control words were seen to be normal
	fp        uint64  // the normal ones: those of the thread
	current   uintptr // address of the C core's word for the current coroutine
	rootLocks uint64  // of the root while it is suspended
	excs      uintptr // address of the C++ runtime's exceptions; 0: no C++ here
	seen      uint64  // for control words
	plain     *CStack
	own       CStack // the thread's own

	m        uintptr // the M, for checks
	inPlace  *CStack // while a greenlet runs; while the root does: plain
	root     Coro
	isExtra  bool
	official bool
	accurate uint8
	stacks   *Stacks
	spare    []*CStack
	c        coro // for official switches

	// Owner is the caller's.
	Owner unsafe.Pointer

	freeTree
	under // of an OS thread

	// Officials counts the switches that the runtime did although Cross or sw was asked.
	Officials int
}

// NewThread returns the record of the calling thread. current is the address of the C
// core's word for who is current there, native the record of the thread's own stack,
// and exceptions the address of the C++ runtime's, or 0.
func NewThread(stacks *Stacks, current, native, exceptions uintptr) *Thread {
	t := &Thread{stacks: stacks, current: current, excs: exceptions}
	t.own.native = native
	return t
}

// Enter makes the calling goroutine, which is locked to the thread, the root.
//
//go:norace
func (t *Thread) Enter() *Coro {
	t.raceAcquire()
	g := getg()
	m := *at[uintptr](g + gM)
	t.m = m
	// Greenlets run with one internal lock more than the root: no UnlockOSThread of theirs
	// can unlock the thread. The root keeps its own count, so that its goroutine may end
	// (gdestroy throws on internal locks). And they have external locks, since with none the
	// runtime makes new threads from this one (newm, proc.go), and they would have all that
	// was changed on it: a namespace, the control words.
	t.locks = (*at[uint64](m + mLocks)>>32+1)<<32 | pinned
	t.isExtra = *at[uint8](m + mIsExtra) != 0
	t.official = raceEnabled || *at[uintptr](g + gBubble) != 0
	t.fp, t.ncgocall = controlWords(), *at[uint64](m + mNcgocall)
	if t.isExtra || *at[int32](m + mNcgo) > 0 {
		t.ncgocall = lookAtWords // it goes back into C
	}
	t.noteOwn(*at[uintptr](m + mG0))
	t.root = Coro{root: true, g: g, home: g}
	t.gp = g
	t.rootG = g
	if t.isExtra || t.official {
		t.rootG = 0
	}
	t.root.plain, t.root.fp = t.rootG != 0, t.fp // as resume leaves them
	return &t.root
}

// noteOwn notes the bounds of the thread's own stack, which is in place. They can change on
// threads that C made (callbackUpdateSystemStack), and only there.
func (t *Thread) noteOwn(g0 uintptr) {
	t.own.lo, t.own.hi = *at[uintptr](g0), *at[uintptr](g0 + 8)
	t.own.guard0, t.own.guard1 = *at[uintptr](g0 + gGuard0), *at[uintptr](g0 + gGuard0 + 8)
}

// pinned is what Pin adds to m.lockedExt, which counts LockOSThread less UnlockOSThread
// and stops at 0. Only the M's own goroutine looks at it (proc.go).
const pinned = 1 << 30

// Pin keeps the calling goroutine, which has called LockOSThread, on its thread however
// often UnlockOSThread is called, until Unpin.
//
//go:norace
func Pin() {
	n := at[uint32](*at[uintptr](getg() + gM) + mLocks)
	if *n < pinned/2 { // else a root on a thread of C's left it so, and its M is used again
		*n += pinned
	}
}

// Unpin takes that back. What was locked and unlocked in between counts as it would have
// without, but one lock is left at least, which is the caller's.
//
//go:norace
func Unpin() {
	n := at[uint32](*at[uintptr](getg() + gM) + mLocks)
	if *n >= pinned/2 {
		*n = max(*n, pinned+1) - pinned
	}
}

// SetExceptions says that the C++ runtime's record is elsewhere now.
func (t *Thread) SetExceptions(address uintptr) { t.excs = address }

// Running says whether the calling goroutine is the one that the last switch went to. (In a
// free tree it may be one that has got the g of a root that has ended: Cross sees to that.)
func (t *Thread) Running() bool { return t.gp == getgFn() }

// New makes a coroutine that will run body at the first switch to it, with a C stack of
// its own if size is not 0. body must call Exit before it returns, even on
// runtime.Goexit.
func (t *Thread) New(size int, body func()) (*Coro, error) {
	c := &Coro{size: size, plain: size == 0 && !t.official, locks: t.locks, body: body, t: t}
	if t.free {
		c.size = 0 // the thread's own is large
	} else if size != 0 {
		s, err := t.stack(size)
		if err != nil {
			return nil, err
		}
		c.cs = s
	} else if t.plain == nil && t.inPlace == nil {
		s, err := t.stack(0)
		if err != nil {
			return nil, err
		}
		t.setPlain(s)
	}
	c.c = newcoro(starter(c))
	c.g, c.home = c.c.gp, c.c.gp
	return c, nil
}

// starter is what runtime.newcoro is given for c. It is a function of its own so that
// Self knows it.
//
//go:noinline
func starter(c *Coro) func(*coro) { return func(*coro) { c.begin() } }

// begin is the whole life of c's goroutine.
func (c *Coro) begin() {
	if c.over {
		return // given up: see Discard
	}
	defer escaped()
	c.thread().raceAcquire()
	settleFn(0)
	body := c.body
	c.body = nil
	body()
}

// escaped ends the process if a panic has come as far down as to the coroutine's
// beginning. The runtime ends the goroutine in a call that it has deferred (corostart),
// and that panic would be forgotten. So another goroutine has to say it.
func escaped() {
	if r := recover(); r != nil {
		text := fmt.Sprintf("%v [in a greenlet's goroutine]\n\n%s", r, debug.Stack())
		go func() { panic(text) }()
		select {}
	}
}

func (t *Thread) setPlain(s *CStack) {
	t.plain, t.inPlace, t.base = s, s, s.base
}

// stack takes an unused C stack, or makes one.
func (t *Thread) stack(size int) (*CStack, error) {
	for i := len(t.spare) - 1; i >= 0; i-- {
		if s := t.spare[i]; s.size == size {
			last := len(t.spare) - 1
			t.spare[i] = t.spare[last]
			t.spare[last] = nil
			t.spare = t.spare[:last]
			t.stacks.Trim(s.native)
			return s, nil
		}
	}
	lo, hi, native, err := t.stacks.New(size)
	if err != nil {
		return nil, err
	}
	s := &CStack{lo: lo - t.stacks.Reach, hi: hi, native: native, size: size, room: int(hi - lo)}
	s.guard0 = s.lo + stackGuard
	s.guard1 = s.guard0
	// The highest words are the C core's; the rest is room, as mstart leaves it.
	s.base = hi - 128
	*at[uintptr](native) = s.base
	return s, nil
}

// giveBack takes a C stack on which nothing will run again.
func (t *Thread) giveBack(s *CStack) {
	*at[uintptr](s.native) = s.base
	t.spare = append(t.spare, s)
}

// Ready makes sure that from, the running coroutine, can be suspended: if it has C frames
// it keeps the stack in place, and the next one may need another.
func (t *Thread) Ready(from *Coro) error {
	if t.free {
		return t.readyFree()
	}
	keeps := !from.root && t.inC() // the stack in place
	if !from.root && !keeps || t.plain != nil && !(keeps && t.plain == t.inPlace) {
		return nil
	}
	if slices.ContainsFunc(t.spare, func(s *CStack) bool { return s.size == 0 }) {
		return nil
	}
	s, err := t.stack(0)
	if err != nil {
		return err
	}
	t.spare = append(t.spare, s)
	return nil
}

// inC says whether the running greenlet has C frames.
//
//go:norace
func (t *Thread) inC() bool {
	m := *at[uintptr](getg() + gM)
	return *at[uintptr](*at[uintptr](m + mG0) + gSchedSP) != t.inPlace.base
}

// Cross suspends the running coroutine and goes on with to, which must be plain, if
// nothing but that is to be done. It returns when somebody has switched back: Returned,
// or Jumped if that was done by another call of Cross than ours, as to the place in the
// code of whoever has called our caller. After that the processor predicts the return
// from our caller wrongly, and a function of Return is better. Refused: nothing was done,
// and Switch is to be called.
//
// An execution trace wants to hear of every switch, so there is none of this kind while
// one is taken. trace.IsEnabled is a little late when a trace begins, and early when it
// ends. But the world is stopped for the beginning, and an M that goes on after that has
// written an event, so cross sees a buffer of its; the tracer takes that away only after
// each P has been at a safe point again (traceAdvance, trace.go), where there is another
// event.
//
// In a free tree whoever is suspended may have been moved to another one when it goes on:
// by is the Thread with which that was done, or nil, if that is not known.
func (t *Thread) Cross(to *Coro) (way int, by *Thread) {
	if !trace.IsEnabled() {
		way, by = crossFn(t, to)
	}
	return
}

// What Cross returns.
const (
	Refused = iota
	Returned
	Jumped
)

// Return is a function that does not return to its caller, but from it, with its arguments
// as the caller's results: by a jump, where the processor takes a return for one to
// another place. The caller must have a frame, nothing deferred, and results that are
// passed in registers. Nil where there is none.
func Return[F any]() (f F) {
	if returnPC != 0 {
		f = funcAt[F](returnPC)
	}
	return f
}

// Switch suspends from, the running coroutine, and goes on with to. It returns when
// somebody has switched back. Ready must have said yes.
func (t *Thread) Switch(from, to *Coro) {
	to.Keep(t)
	if to.plain {
		if way, _ := t.Cross(to); way != Refused {
			return
		}
	}
	if t.free {
		t.switchFree(from, to)
		return
	}
	t.prepare(from, to)
	from.g = getg()
	t.gp = to.g
	if !t.try(to.g, from.cut) {
		t.officially(to.g, from.cut)
	}
	t.resume(from)
}

// lookAtWords is Thread.ncgocall when the control words are to be looked at at the next
// switch, whether or not C is called until then.
const lookAtWords = ^uint64(0)

// resume is the first thing that a coroutine does that was suspended by Switch. It
// leaves what Cross, which writes none of it, relies on when it suspends the coroutine.
//
//go:norace
func (t *Thread) resume(c *Coro) {
	// Until here it was that of whoever has more of them: see prepare.
	*at[int32](*at[uintptr](getg() + gM) + mNcgo) = c.ncgo
	if c.fp != t.fp {
		setControlWords(c.fp)
		t.ncgocall = lookAtWords
	}
	if c.cut { // it goes back into C, which no call of C counts
		t.ncgocall = lookAtWords
	}
	if getg() != c.home {
		// It can end at any time, and without a switch: then the runtime gives its g to
		// another goroutine, anywhere, which is not to be taken for this coroutine's.
		t.gp = 0
	}
	c.plain, c.cut, c.ncgo, c.fast = true, false, 0, c.owner
}

// Clean gives c, the running coroutine, the thread's control words and the ordinary lock
// counts, if whoever ran there before has left others. In a free tree it is called when that
// one has ended: nobody else would be tied by its locks.
//
//go:norace
func (t *Thread) Clean(c *Coro) {
	if t.free {
		if g := getg(); *at[uintptr](g + gLockedM) != 0 {
			*at[uint64](*at[uintptr](g + gM) + mLocks) = c.tie
			settleFn(0)
		}
		return
	}
	m := *at[uintptr](getg() + gM)
	*at[uint64](m + mLocks) = t.locks
	if n := *at[uint64](m + mNcgocall); n != t.ncgocall {
		if controlWords() != t.fp {
			setControlWords(t.fp)
		}
		t.ncgocall = n
	}
}

func (t *Thread) try(to uintptr, cut bool) bool {
	if t.official || trace.IsEnabled() {
		return false
	}
	if cut {
		return swCutFn(t, to)
	}
	return swFn(t, to)
}

// officially has the runtime switch to the goroutine to. coroswitch wants a coro whose
// lock counts are those of the M, and whose goroutine is the one to go on with.
//
//go:noinline
func (t *Thread) officially(to uintptr, cut bool) {
	t.Officials++
	m := *at[uintptr](getg() + gM)
	t.c.gp, t.c.mp, t.c.locks = to, m, *at[uint64](m + mLocks)
	t.raceRelease()
	if cut {
		coroswitchCut(&t.c)
	} else {
		coroswitch(&t.c)
	}
	t.raceAcquire()
}

// prepare puts to's C stack, lock counts and exceptions in place of from's. From there
// on from runs on borrowed ones, until the switch.
//
//go:norace
func (t *Thread) prepare(from, to *Coro) {
	m := *at[uintptr](getg() + gM)
	if m != t.m {
		panic("greenlet: internal error: a switch on another M than the root's")
	}
	g0 := *at[uintptr](m + mG0)
	locks := at[uint64](m + mLocks)
	ncgo := at[int32](m + mNcgo)

	from.locks, from.ncgo = *locks, *ncgo
	from.cut = from.ncgo > 0 || from.root && t.isExtra
	from.fp = t.fp
	if n := *at[uint64](m + mNcgocall); n != t.ncgocall || from.cut {
		from.fp, t.ncgocall = controlWords(), n
	}

	old, next := t.inPlace, to.cs
	if from.root {
		old = &t.own
		t.noteOwn(g0)
		from.plain = t.rootG == getg() && !from.cut && from.fp == t.fp && !t.handling()
		t.rootLocks = from.locks
	} else {
		inC := *at[uintptr](g0 + gSchedSP) != old.base
		from.plain = !inC && from.home == getg() && from.size == 0 && from.locks == t.locks && from.fp == t.fp && !t.official && !t.handling()
		switch {
		case inC || from.size != 0:
			from.cs = old
			if old == t.plain {
				t.plain = nil
			}
		case t.plain == nil:
			t.plain = old
		case old != t.plain: // it came back with one from C, and the others have one by now
			t.giveBack(old)
		}
	}
	from.fast = nil
	if from.plain {
		from.fast = from.owner
	}
	if to.size == 0 {
		to.cs = nil
	}
	switch {
	case to.root:
		next = &t.own
	case next == nil:
		if t.plain == nil {
			s, err := t.stack(0)
			if err != nil {
				panic(err) // Ready has taken one
			}
			t.plain = s
		}
		next = t.plain
	}
	if next != old {
		if t.isExtra { // calls from C are not to look for the bounds
			if from.root {
				t.accurate = *at[uint8](m + mAccurate)
			}
			*at[uint8](m + mAccurate) = 1
			if to.root {
				*at[uint8](m + mAccurate) = t.accurate
			}
		}
		exchangeFn(g0, old, next)
		*at[uintptr](t.current) = next.native
	}
	if to.root {
		next = t.plain // that is where Cross goes from the root
	}
	t.inPlace, t.base = next, 0
	if next != nil && next == t.plain {
		t.base = next.base
	}
	switch {
	case to.root:
		*locks = t.rootLocks
	case to.plain:
		*locks = t.locks
	default:
		*locks = to.locks
	}
	if t.excs != 0 {
		e := at[exceptions](t.excs)
		from.exc, *e, to.exc = *e, to.exc, exceptions{}
	}
	if from.fp != t.fp { // whoever has other ones sets them when he goes on
		setControlWords(t.fp)
		t.ncgocall = *at[uint64](m + mNcgocall)
	}
	// The tracer looks at this to choose how to unwind the goroutine that stops: not by
	// frame pointers, if there are C frames. Whoever goes on sets it right.
	*ncgo = max(from.ncgo, to.ncgo)
}

// InCalls says whether C waits for c, which runs.
//
//go:norace
func (t *Thread) InCalls(c *Coro) bool {
	return *at[int32](*at[uintptr](getg() + gM) + mNcgo) > 0 || c.root && t.isExtra
}

// handling says whether C++ exceptions are being handled.
func (t *Thread) handling() bool { return t.excs != 0 && *at[exceptions](t.excs) != exceptions{} }

// Exit prepares the end of from's goroutine, which runs: when it has returned, or its
// Goexit has run all that was deferred, to goes on. Nothing of the thread may be used in
// between.
//
//go:norace
func (t *Thread) Exit(from, to *Coro) {
	if t.free {
		t.exitFree(from, to)
		return
	}
	t.prepare(from, to)
	if from.cs != nil {
		t.giveBack(from.cs)
		from.cs = nil
	}
	m := *at[uintptr](getg() + gM)
	t.gp = to.g
	from.c.gp, from.c.mp, from.c.locks = to.g, m, *at[uint64](m + mLocks)
	from.g, from.plain = 0, false
	t.raceRelease()
}

// Discard ends a suspended coroutine whatever is on its stacks. Nothing of that runs. Any
// goroutine may do it that is the only one to use the thread's record.
//
//go:norace
func (t *Thread) Discard(c *Coro) {
	if c.g == 0 {
		return
	}
	c.over = true
	if c.cs != nil && !t.isOwn(c.cs) {
		if g := t.stacks.Leave(c.cs.native, &c.cs.lo); g != 0 {
			c.g = g // that which waits in the call of C in which the fiber was
		}
	}
	t.raceRelease()
	if c.g != c.home { // an iter.Pull's, for which home waits
		end(c.g, &coro{f: func(*coro) {}})
	}
	end(c.home, c.c)
	t.raceAcquire()
	if t.free {
		t.discardFree(c)
	} else if c.cs != nil {
		t.giveBack(c.cs)
	}
	c.g, c.cs = 0, nil
}

// ReleaseContext gives back a traceback context of a call from C that will not return (see
// runtime.SetCgoTraceback); the calls' stubs do it in runtime/cgo. It is set by package
// greenlet.
var ReleaseContext func(context uintptr)

// end ends a goroutine that newcoro has made for c, and that waits, whatever is on its
// stacks: it is made as it was when it was new, and runs once more to end officially.
//
//go:norace
func end(g uintptr, c *coro) {
	contexts := slices.Clone(*at[[]uintptr](g + gCgoCtxt))
	for !renew(g, unsafe.Pointer(c)) {
		runtime.Gosched()
	}
	for len(contexts) > 0 { // in the order in which the calls would have returned
		last := len(contexts) - 1
		ReleaseContext(contexts[last])
		contexts = contexts[:last]
	}
	m := *at[uintptr](getg() + gM)
	ncgo := *at[int32](m + mNcgo)
	locks := uint64(0)
	locked := uintptr(0)
	if *at[uintptr](getg() + gLockedM) != 0 {
		locked, locks = m, *at[uint64](m + mLocks)
	}
	c.gp, c.mp, c.locks = getg(), locked, locks
	coroswitchCut(&coro{gp: g, mp: locked, locks: locks}) // the caller may have C frames
	if locked != 0 {
		*at[int32](m + mNcgo) = ncgo
	}
	runtime.KeepAlive(c)
}

// Try makes a switch of each kind, before anybody relies on them: there and back by the
// short way and by the runtime's own, an end, and the end of one that is given up. The
// calling goroutine must be locked to its thread and no root; the record is used for
// nothing else.
func (t *Thread) Try() error {
	root := t.Enter()
	g := getg()
	g0 := *at[uintptr](*at[uintptr](g + gM) + mG0)
	words := func() [6]uintptr {
		return [6]uintptr{*at[uintptr](g0), *at[uintptr](g0 + 8), *at[uintptr](g0 + gGuard0), *at[uintptr](g0 + gSchedSP),
			*at[uintptr](*at[uintptr](g + gM) + mLocks), *at[uintptr](t.current)}
	}
	before := words()
	began, ended := 0, 0
	for range 2 {
		for _, discard := range []bool{false, true} {
			var c *Coro
			c, err := t.New(0, func() {
				began++
				t.Switch(c, root)
				ended++
				t.Exit(c, root)
			})
			if err != nil {
				return err
			}
			t.Switch(root, c)
			if discard {
				t.Discard(c)
			} else {
				t.Switch(root, c)
			}
		}
		t.official, t.rootG, root.plain = true, 0, false // and again, by the runtime's own
	}
	t.Trim(0)
	if began != 4 || ended != 2 || words() != before || getg() != g {
		return fmt.Errorf("of 4 coroutines %d began and 2 of %d went on, or something was not put back (%x, now %x)", began, ended, before, words())
	}
	return nil
}

// Trim frees the unused C stacks but for keep, and with none to be kept the plain one,
// too; then no coroutine may be left.
func (t *Thread) Trim(keep int) {
	if keep > 0 && len(t.spare) > keep { // one that Ready has taken is to stay
		if i := slices.IndexFunc(t.spare, func(s *CStack) bool { return s.size == 0 }); i > 0 {
			t.spare[0], t.spare[i] = t.spare[i], t.spare[0]
		}
	}
	for len(t.spare) > keep {
		last := len(t.spare) - 1
		t.stacks.Free(t.spare[last].native)
		t.spare[last] = nil
		t.spare = t.spare[:last]
	}
	if keep == 0 && t.plain != nil {
		t.stacks.Free(t.plain.native)
		t.plain, t.inPlace, t.base = nil, nil, 0
	}
	if keep == 0 && t.put != nil && t.put != &t.own { // its thread has ended
		t.stacks.Free(t.put.native)
		t.put = nil
	}
}

// funcAt is a function whose code begins at pc.
func funcAt[T any](pc uintptr) T {
	fv := &struct{ pc uintptr }{pc}
	return *(*T)(unsafe.Pointer(&fv))
}

// at is what lies at an address.
func at[T any](p uintptr) *T { return *(**T)(unsafe.Pointer(&p)) }
