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
