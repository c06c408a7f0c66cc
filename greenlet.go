package greenlet

import (
	"context"
	"fmt"
	"runtime"
	"strconv"
	"sync/atomic"
	"unsafe"
	"weak"

	"github.com/go-greenlet/greenlet/internal/gort"
	"github.com/go-greenlet/greenlet/internal/place"
	"github.com/go-greenlet/greenlet/internal/timeline"
)

// Func is a greenlet's body. arg is the value of the Switch that started it; the
// results go to its parent.
type Func func(arg any) (any, error)

// A Greenlet is a coroutine with a native stack of its own. Make it with New, and
// do not copy it.
//
// Its methods are called on the goroutine that it belongs to; those that only read
// (State, Dead, Active, IsRoot, Parent, Children, ID, Name, String, Context, Value, Stack,
// Info) from any goroutine.
type Greenlet struct {
	// The program's reference and the greenlet's state are two objects, so that the collector
	// finds the reference unreachable while the greenlet is suspended and its stack is still a
	// root to the collector. For that, nothing on the stack, and nothing by which the tree
	// resumes and ends the greenlet, refers to the Greenlet; all of it refers to core.
	_ noCopy
	c *core
	// What SetValue has set; nil: nothing. It is here and not in core, since it may refer to
	// the Greenlet.
	value atomic.Pointer[any]
}

// noCopy makes go vet find copies: greenlets are compared by their addresses.
type noCopy struct{}

func (*noCopy) Lock()   {}
func (*noCopy) Unlock() {}

// core is the state of a greenlet. It is kept small, since much of the time that a short
// greenlet takes is for its memory: what only few greenlets need is in rare.
type core struct {
	// The worker's coroutine, or the thread's for a root; nil: pending or dead. It is written
	// under tree.mu. The short switches read it without the lock, on any goroutine, and see by
	// Coro.Fast whether it is theirs.
	coro     coro
	_        [0]atomic.Uint64       // aligns switches on 32-bit systems
	switches uint64                 // how often it was switched to, which any goroutine reads; see countSwitch
	id       uint64                 // unique in the process, never 0
	name     atomic.Pointer[string] // any goroutine writes it; csrc/go_overflow.c reads it, too; nil: none
	body     uintptr                // where the code of the body begins; see place.Body

	run            Func                     // the body; execute takes it out. nil: started, or there is none
	labels         unsafe.Pointer           // the profiler labels of the goroutine that has made it
	life           atomic.Uint32            // lifePending and so on
	hasDescendants atomic.Bool              // a started greenlet descends from it, or did; see noteDescendants
	parent         atomic.Pointer[Greenlet] // nil: a root, or a pending greenlet whose parent will be the root that it is used from
	tree           atomic.Pointer[tree]     // the tree it is or was in; nil: never started, so it belongs to its parent's
	rare           atomic.Pointer[rare]     // nil: noneRare; see rareFields and makeRare

	// From the start to the end, other goroutines read strongRef, prev and next under
	// tree.mu, so they are written under it.
	strongRef  *Greenlet // the program's reference, which keeps it reachable until watch is called
	prev, next *core     // in the ring of its tree's started greenlets

	// The tree's own goroutine alone uses waiter and waits, but for one that has claimed the
	// greenlet; isBody never changes.
	waiter *waiter // the top of its stack of waiters, which get control in place of the parent; nil: the parent does
	isBody bool    // it is the body of an asymmetric coroutine, and embedded in that
	waits  int32   // how many Kills, nexts and Resumes of its own it is in, of which a tracer may call more than one; see canMove
}

// rare holds what only few greenlets need, or only those that live long. A field is used by the
// tree's own goroutine unless its comment says otherwise.
type rare struct {
	since int64                           // the time (gort.Nanotime) of the last switch to or from it, which any goroutine reads; 0: not recorded
	stack int                             // the size of the C stack in bytes, as WithStackSize said; 0: the default
	slots []tlsSlot                       // the words that it carries besides its tree's
	ctx   atomic.Pointer[context.Context] // any goroutine writes it; nil: context.Background()
	birth *birth                          // written before New returns; nil: not recorded

	// watch writes these under tree.mu, and unwatch the last one.
	weakRef weak.Pointer[Greenlet] // the program's reference
	cleanup runtime.Cleanup        // calls onUnreachable
	watched bool                   // the two above are set

	unlocked      bool        // WithoutLock was given
	diedElsewhere atomic.Bool // it was dead when SetParent moved it to another tree; waiters belong to the old one

	tracing bool            // the tracer runs on this greenlet
	track   *timeline.Track // its line in time lines; nil: not needed yet
	cState  *cState         // what C code was told about it; nil: nothing
}

var noneRare rare

// rareFields returns c's rare fields for reading.
func (c *core) rareFields() *rare {
	if r := c.rare.Load(); r != nil {
		return r
	}
	return &noneRare
}

// makeRare returns c's rare fields for writing. Several goroutines may be the first to call it:
// the compare-and-swap fails for all but one, and the Load returns what that one has stored.
func (c *core) makeRare() *rare {
	if r := c.rare.Load(); r != nil {
		return r
	}
	c.rare.CompareAndSwap(nil, &rare{})
	return c.rare.Load()
}

// The states of core.life. A change from lifePending is a compare-and-swap, since any goroutine
// may start, move or kill a pending greenlet. The one whose swap succeeds has the greenlet for
// itself until it stores the next state; the others look at the state again. A root begins as
// lifeStarted.
//
//	             kill
//	lifePending -----------------------------------------> lifeDead
//	   |    ^                                                 ^  ^
//	   |    | SetParent, adopt; start, if it is refused       |  |
//	   v    |                                                 |  |
//	lifeMoving ---- start, with an error or an end -----------'  |
//	   |                                                         |
//	   | start, with a value                                     |
//	   v                                                         |
//	lifeStarted ---- markDead; finish, for a root ---------------'
const (
	lifePending uint32 = iota
	lifeMoving         // transient lock state: the holder is in start, SetParent or adopt, others spin
	lifeStarted        // running or suspended: tree.current says which
	lifeDead
)

// State is what a greenlet is doing.
type State int

const (
	Pending   State = iota // made, not started
	Running                // the running greenlet of its tree
	Suspended              // started, waiting to be switched to
	Dead                   // finished, killed, or its thread is gone
)

func (s State) String() string {
	switch s {
	case Pending:
		return "pending"
	case Running:
		return "running"
	case Suspended:
		return "suspended"
	case Dead:
		return "dead"
	}
	return "State(" + strconv.Itoa(int(s)) + ")"
}

// An Option changes what New makes.
type Option func(*core)

// WithParent sets the parent: the greenlet that gets the body's results. The
// default is the greenlet that calls New. nil means the default.
func WithParent(p *Greenlet) Option {
	return func(c *core) {
		if p.valid() {
			c.parent.Store(p)
		}
	}
}

// WithStackSize sets the size of the C stack in bytes. C code that the greenlet
// calls runs there; Go code has a growing stack besides. 0 means the default,
// 256 KiB. A size below 64 KiB counts as 64 KiB, and sizes are rounded up to whole
// pages. Memory is taken only as it is used. A negative size or one over 1 GiB is
// an error of the first Switch.
//
// On the engine of one M (see Runtime) a greenlet of the default size has a C stack only
// while C is suspended on it; one that was given a size has its own from its start. That
// takes a tree that is bound to a thread, so the start of such a greenlet binds the tree, until
// the tree's end, if no other greenlet lives in it. If others do, outside of a Run, or the root
// is in a call from C that began while another one was suspended in C, then C runs on the
// thread's own stack, and the size has no effect. The C library decides how large that
// stack is: with glibc mostly 8 MiB, with musl 128 KiB.
func WithStackSize(bytes int) Option { return func(c *core) { c.makeRare().stack = bytes } }

// WithName sets a name for people to read: it shows in String, in errors, and as the
// label "greenlet" in goroutine and CPU profiles.
func WithName(name string) Option { return func(c *core) { c.name.Store(&name) } }

// WithContext sets the greenlet's context. The default is context.Background().
func WithContext(ctx context.Context) Option {
	return func(c *core) {
		if ctx != nil {
			c.makeRare().ctx.Store(&ctx)
		}
	}
}

var lastID atomic.Uint64

// New makes a greenlet that will run run(v) at the first Switch(v) to it, and
// does not start it.
//
// Its parent is the calling greenlet, or the calling goroutine's root. In a
// goroutine that has no greenlets yet it gets its parent later: the root that it
// is first used from. Until then it belongs to no goroutine and may be used from
// any.
//
// New(nil) makes a greenlet whose first Switch or Throw returns ErrNoRun.
func New(run Func, opts ...Option) *Greenlet {
	g := &Greenlet{c: &core{run: run, body: place.PC(run)}}
	g.c.initPending(opts)
	return g
}

// initPending is the part of New that newGreenlet shares.
func (c *core) initPending(opts []Option) {
	c.id, c.labels = lastID.Add(1), gort.Labels()
	for _, o := range opts {
		if o != nil {
			o(c)
		}
	}
	if c.parent.Load() == nil {
		if t := currentTree(); t != nil {
			storeBefore(&c.parent, t.current) // nobody else has c yet
			t.raceRelease()
		}
	}
	if details.Load() != 0 {
		c.recordBirth()
	}
}

// valid says whether g was made by this package. Any method may be called on one that was not.
func (g *Greenlet) valid() bool { return g != nil && g.c != nil }

// State returns what the greenlet is doing.
func (g *Greenlet) State() State {
	if !g.valid() {
		return Dead
	}
	if t := g.c.tree.Load(); t != nil {
		t.endState()
	}
	switch g.c.life.Load() {
	case lifeDead:
		return Dead
	case lifeStarted:
		if g.c.tree.Load().runs(g.c) {
			return Running
		}
		return Suspended
	}
	return Pending
}

// Dead says whether the greenlet has finished, was killed, or lost its thread.
func (g *Greenlet) Dead() bool { return g.State() == Dead }

// Active says whether the greenlet was started and has not finished; true for a
// living root.
func (g *Greenlet) Active() bool {
	switch g.State() {
	case Running, Suspended:
		return true
	}
	return false
}

// IsRoot says whether the greenlet is a goroutine's own, and not made by New.
func (g *Greenlet) IsRoot() bool { return g.valid() && g.c.isRoot() }

// ID returns the greenlet's number, unique in the process and never 0.
func (g *Greenlet) ID() uint64 {
	if !g.valid() {
		return 0
	}
	return g.c.id
}

// Name returns what WithName or SetName set; "root" for a root, else "".
func (g *Greenlet) Name() string {
	if !g.valid() {
		return ""
	}
	return g.c.nameText()
}

func (c *core) nameText() string {
	if p := c.name.Load(); p != nil {
		return *p
	}
	return ""
}

// SetName changes what WithName has set. Any goroutine may call it; but what profiles
// show of a started greenlet changes only if the caller is on the greenlet's own goroutine.
func (g *Greenlet) SetName(name string) {
	if !g.valid() {
		return
	}
	c := g.c
	c.name.Store(&name)
	switch t := currentTree(); {
	case t == nil || c.life.Load() != lifeStarted || c.tree.Load() != t || c.isRoot():
	case c == t.current.c:
		c.label()
	case engine.canSuspend(t.th, t.current.c.coro) == nil: // else g keeps the labels that it has
		t.callOn(g, c.label)
	}
}

// String describes the greenlet for people to read: its name, ID and state, and the
// thread or goroutine that it belongs to, once it does.
func (g *Greenlet) String() string {
	if !g.valid() {
		return "greenlet(nil)"
	}
	if t := g.c.tree.Load(); t != nil {
		return fmt.Sprintf("%s (%v, %s%s)", nameAndID(g.c.nameText(), g.c.id), g.State(), t.holder(), t.endedText())
	}
	return fmt.Sprintf("%s (%v)", nameAndID(g.c.nameText(), g.c.id), g.State())
}

// nameAndID returns the greenlet's name, or "greenlet" if it has none, and its number.
func nameAndID(name string, id uint64) string {
	if name == "" {
		name = "greenlet"
	}
	return fmt.Sprintf("%s/%d", place.Printable(name), id)
}

// Context returns the greenlet's context.
func (g *Greenlet) Context() context.Context {
	if g.valid() {
		if p := g.c.rareFields().ctx.Load(); p != nil {
			return *p
		}
	}
	return context.Background()
}

// SetContext replaces the greenlet's context. It takes effect at once. While the
// greenlet runs, only its own thread may do that.
func (g *Greenlet) SetContext(ctx context.Context) error {
	switch {
	case !g.valid():
		return fail("SetContext", g, errNil, "")
	case ctx == nil:
		return fail("SetContext", g, errNilContext, "use context.Background()")
	case g.State() == Running && g.c.tree.Load() != currentTree():
		return fail("SetContext", g, ErrWrongThread, "it is running there")
	}
	g.c.makeRare().ctx.Store(&ctx)
	return nil
}

// Parent returns the greenlet that gets this one's result. While a Kill, a next
// or a Resume waits for this greenlet, that is the greenlet that waits (seen from its
// own thread). It is nil for a root, and for a greenlet made in a goroutine
// without greenlets as long as it was not used.
func (g *Greenlet) Parent() *Greenlet {
	if !g.valid() || g.c.isRoot() {
		return nil
	}
	t := currentTree()
	p := g.c.parent.Load()
	if t != nil && g.c.tree.Load() == t {
		p = g.c.heir()
	}
	if p != nil && p.c.isRoot() {
		p.c.tree.Load().referenceRoot()
	}
	return p
}

func (c *core) isRoot() bool {
	t := c.tree.Load()
	return t != nil && t.root.c == c
}

// SetValue keeps one value of the program's with the greenlet, in place of the attributes that
// a subclass of Python's greenlet has. The value may refer to the greenlet, which can become
// unreachable all the same. When an unreachable greenlet was killed, its deferred calls do not
// find the value any more. Any goroutine may call it.
func (g *Greenlet) SetValue(v any) {
	if g.valid() {
		g.value.Store(&v)
	}
}

// Value returns what SetValue has set, or nil. Any goroutine may call it.
func (g *Greenlet) Value() any {
	if g.valid() {
		if v := g.value.Load(); v != nil {
			return *v
		}
	}
	return nil
}
