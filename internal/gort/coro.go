package gort

import (
	"fmt"
	"runtime/debug"
	"unsafe"
)

//lint:file-ignore U1000 staticcheck does not read assembly

// Coroutines: what the engine keeps for each, and how its goroutine begins.

// A Coro is one of a thread's coroutines.
type Coro struct {
	// Native is the C core's coroutine, for the engine that makes one for each.
	Native uintptr

	t      *Thread        // in a free tree: the record of the tree that it is in; or claimed, see Claim
	g      uintptr        // while it is suspended: the goroutine to resume
	fast   unsafe.Pointer // owner if it is suspended and plain, else nil: both questions in one load
	firstG uintptr        // the goroutine that it began with; g is another one in an iter.Pull or a fiber of its own
	owner  unsafe.Pointer
	c      *coro       // the runtime's record that its goroutine began with; nil for a root
	body   func(*Coro) // until it has begun
	size   int         // of the C stack that it was made with; 0: none
	root   bool

	// How it is suspended. While it runs, plain is true and the others are false or 0: that is
	// what SwitchFast, which writes none of it, leaves behind (resume).
	//
	//	plain            SwitchFast may resume it
	//	neither          it has no C frames, but lock counts, control words or exceptions of its own
	//	inC              C frames of its own wait below it
	//	pinned           free tree: inC, or lock counts of its own; only its thread may resume it
	//	abandoned        it will never go on; its goroutine ends when it runs (Discard)
	plain, inC, pinned, abandoned bool

	ncgo  int32      // m.ncgo of its goroutine
	locks uint64     // m.lockedExt and lockedInt of its goroutine
	fpcw  uint64     // floating-point control words
	exc   exceptions // those of C++ that it handles
	cs    *CStack    // the C stack that it keeps; nil: none

	tie uint64 // in a free tree, while it runs: what was added to its lock counts

	Words []Word // which it carries
}

// exceptions is what the C++ runtime keeps for each thread (csrc/exceptions.h).
type exceptions struct {
	caught   uintptr
	uncaught uint32
}

// Plain says whether the coroutine, which is suspended, can be resumed by SwitchFast.
func (c *Coro) Plain() bool { return c.plain }

// Fast is the same in one word: what SetOwner was given, or nil.
func (c *Coro) Fast() unsafe.Pointer { return c.fast }

// SetOwner is called for a coroutine that does not run.
func (c *Coro) SetOwner(owner unsafe.Pointer) {
	fast := unsafe.Pointer(nil)
	if c.plain {
		fast = owner
	}
	if c.owner != owner || c.fast != fast { // most often they are right, and to write them is work for the collector
		c.owner, c.fast = owner, fast
	}
}

// Stack is the C stack that the coroutine owns; nil: it owns none.
func (c *Coro) Stack() *CStack { return c.cs }

// New makes a coroutine that will run body at the first switch to it, with a C stack of
// its own if size is not 0. body must call Exit before it returns, even on
// runtime.Goexit.
func (t *Thread) New(size int, body func()) (*Coro, error) {
	c := &Coro{}
	return c, t.Make(c, size, func(*Coro) { body() })
}

// Make is New for a Coro of the caller's, which body is given.
func (t *Thread) Make(c *Coro, size int, body func(*Coro)) error {
	*c = Coro{size: size, plain: size == 0 && !t.official, locks: t.locks, body: body, t: t}
	if t.free {
		c.size = 0 // the thread's own is large
	} else if size != 0 {
		s, err := t.stack(size)
		if err != nil {
			return err
		}
		c.cs = s
	} else if t.plain == nil && t.inPlace == nil {
		s, err := t.stack(0)
		if err != nil {
			return err
		}
		t.setPlain(s)
	}
	c.c = newcoro(starter(c))
	c.g, c.firstG = c.c.gp, c.c.gp
	return nil
}

// Inherit gives the goroutine of c, which waits for another body, what newproc1 would give a new one of the
// calling goroutine's: whether crypto/fips140.WithoutEnforcement is in force, and
// crypto/subtle.WithDataIndependentTiming, which say that goroutines made in them inherit that. (The labels are
// those of who has made the body; package greenlet sets them.)
//
//go:norace
func (c *Coro) Inherit() {
	if gFipsBypass != 0 {
		from := getg()
		*at[uint8](c.firstG + gFipsBypass) = *at[uint8](from + gFipsBypass)
		*at[uint8](c.firstG + gDitWanted) = *at[uint8](from + gDitWanted)
	}
}

// starter is what runtime.newcoro is given for c. It is a function of its own so that
// Self knows it.
//
//go:noinline
func starter(c *Coro) func(*coro) { return func(*coro) { c.begin() } }

// begin is the whole life of c's goroutine.
func (c *Coro) begin() {
	if c.abandoned {
		return // given up: see Discard
	}
	defer dieOfEscapedPanic()
	c.thread().raceAcquire()
	restoreMFn(0)
	body := c.body
	c.body = nil
	body(c)
}

// dieOfEscapedPanic ends the process if a panic has come as far down as to the coroutine's
// beginning. The runtime ends the goroutine in a call that it has deferred (corostart),
// and that panic would be forgotten. So another goroutine has to say it.
func dieOfEscapedPanic() {
	if r := recover(); r != nil {
		text := fmt.Sprintf("%v [in a greenlet's goroutine]\n\n%s", r, debug.Stack())
		go func() { panic(text) }()
		select {}
	}
}
