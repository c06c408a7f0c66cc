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
	// The user's reference and what it refers to are two objects, so that the
	// collector can tell that a suspended greenlet has been forgotten although
	// its own stack is still there. Nothing on that stack, and nothing that the
	// tree needs to end it, may lead to the Greenlet; all that leads to core.
	_ noCopy
	c *core
	// What SetValue has set. It is here and not in core, since it may lead to the Greenlet.
	value atomic.Pointer[any]
}

// noCopy makes go vet find copies: who is who is decided by the address.
type noCopy struct{}

func (*noCopy) Lock()   {}
func (*noCopy) Unlock() {}

// core is what a greenlet consists of. It is kept small, since a short life is for a good part
// memory: what few greenlets have is in rare.
type core struct {
	coro     coro             // its worker's, or the thread's for a root; nil: it is pending or dead
	_        [0]atomic.Uint64 // the next is aligned, on 32-bit systems, too
	switches uint64           // how often it was switched to; see count
	id       uint64
	name     atomic.Pointer[string] // nil: none; csrc/go_overflow.c reads it
	body     uintptr                // where the code of what it runs begins; see place.Body

	run         Func           // nil once started
	labels      unsafe.Pointer // the maker's, for profiles
	life        atomic.Uint32
	hasChildren atomic.Bool              // it is or was the parent of some that were started
	parent      atomic.Pointer[Greenlet] // nil: a root, or the root it is first used from
	tree        atomic.Pointer[tree]     // nil: never started; belongs where its parents belong
	rare        atomic.Pointer[rare]     // nil: nothing of it; see extra and more

	// The rest is the own thread's business. But from the start to the end others look at
	// coro and at the next four, and at what watch sets, under tree.mu, so they are written
	// under that.
	worker     *worker   // while it runs
	strongRef  *Greenlet // the user's reference, until the collector has run; see watch
	prev, next *core     // in the ring of those of its tree that live

	waiter *waiter     // who is to get control back in place of the parent
	asym   *asymmetric // it is the body of one
}

// rare is what few greenlets have, or only those that live long.
type rare struct {
	since int64     // nanotime of the last switch to or from it; 0: no clock was on
	stack int       // asked for, in bytes; 0: the default
	slots []tlsSlot // it carries them, besides its tree's
	ctx   atomic.Pointer[context.Context]
	birth *birth // nil: it was not recorded

	// Since the collector has found that it lives; see watch.
	weakRef weak.Pointer[Greenlet] // the user's reference
	cleanup runtime.Cleanup
	watched bool // both are set

	unlocked bool // WithoutLock was given

	tracing bool // the tracer runs on it
	track   *timeline.Track
	cState  *cState // what C knows of it; nil: nothing
}

var noneRare rare

// rareFields is what c has of all that, to be read only.
func (c *core) rareFields() *rare {
	if r := c.rare.Load(); r != nil {
		return r
	}
	return &noneRare
}

// makeRare is the same to be written to. Any goroutine may be the first to ask.
func (c *core) makeRare() *rare {
	if r := c.rare.Load(); r != nil {
		return r
	}
	c.rare.CompareAndSwap(nil, &rare{})
	return c.rare.Load()
}

// What life says. Running and Suspended are one: the tree knows who runs.
const (
	lifePending uint32 = iota
	lifeMoving         // being started or re-parented by somebody, for an instant
	lifeStarted
	lifeDead
)

// State is what a greenlet is doing.
type State int

const (
	Pending   State = iota // made, not started
	Running                // the one of its tree that runs
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

// WithStackSize sets the size of the C stack in bytes; C code that the greenlet
// calls runs there, Go code has a growing stack besides. 0 means the default,
// 256 KiB. Less than 64 KiB is taken for 64 KiB, and sizes are rounded up to whole
// pages. Memory is taken only as it is used. A negative size or one over 1 GiB is
// an error of the first Switch.
//
// On the engine of one M (see Runtime) a greenlet of the default size has a C stack only
// while C is suspended on it; one that was given a size has its own from its start. That
// takes a tree that is bound to a thread, so the start binds one in which nothing else lives,
// until its end. In a tree with other greenlets in it, and outside of a Run, C runs on the
// thread's own stack, and the size says nothing. How large that one is the C library
// decides: with glibc mostly 8 MiB, with musl 128 KiB.
func WithStackSize(bytes int) Option { return func(c *core) { c.makeRare().stack = bytes } }

// WithName sets a name for people: it shows in String, in errors, and as the
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
// is first used from. Until then it belongs to nobody and may be used from any
// goroutine.
//
// New(nil) makes a greenlet whose first Switch or Throw returns ErrNoRun.
func New(run Func, opts ...Option) *Greenlet {
	g := &Greenlet{c: &core{run: run, body: place.PC(run)}}
	g.c.initPending(opts)
	return g
}

// initPending is the rest of New.
func (c *core) initPending(opts []Option) {
	c.id, c.labels = lastID.Add(1), gort.Labels()
	for _, o := range opts {
		if o != nil {
			o(c)
		}
	}
	if c.parent.Load() == nil {
		if t := currentTree(); t != nil {
			c.parent.Store(t.current)
			t.raceRelease()
		}
	}
	if details.Load() != 0 {
		c.recordBirth()
	}
}

// valid says whether g can be used at all.
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
// show of a greenlet that was started changes only if its own thread does.
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
	case engine.canSuspend(t.th, t.current.c.coro) == nil: // else the labels stay, without which it goes on as well
		t.callOn(g, c.label)
	}
}

// String describes the greenlet for people: its name, ID and state, and the
// thread or goroutine that it belongs to, once it does.
func (g *Greenlet) String() string {
	if !g.valid() {
		return "greenlet(nil)"
	}
	if t := g.c.tree.Load(); t != nil && t.free.Load() {
		return fmt.Sprintf("%s (%v, goroutine %d%s)", nameAndID(g.c.nameText(), g.c.id), g.State(), t.rootGoid, t.endedText())
	} else if t != nil {
		return fmt.Sprintf("%s (%v, thread %d%s)", nameAndID(g.c.nameText(), g.c.id), g.State(), t.tid.Load(), t.endedText())
	}
	return fmt.Sprintf("%s (%v)", nameAndID(g.c.nameText(), g.c.id), g.State())
}

// nameAndID is a name for people: the greenlet's own, if it has one, and its number.
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
// or a Resume waits for this greenlet, that is the one that waits (seen from its
// own thread). It is nil for a root, and for a greenlet made in a goroutine
// without greenlets as long as nobody has used it.
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

// SetValue keeps one value of the user's with the greenlet, in place of what a subclass of
// Python's greenlet has. It may lead to the greenlet itself, which can be forgotten all the
// same; it is not seen any more by the deferred calls of a greenlet that was killed since it
// was forgotten. Any goroutine may call it.
func (g *Greenlet) SetValue(v any) {
	if g.valid() {
		g.value.Store(&v)
	}
}

// Value returns what SetValue has set; nil: nothing. Any goroutine may call it.
func (g *Greenlet) Value() any {
	if g.valid() {
		if v := g.value.Load(); v != nil {
			return *v
		}
	}
	return nil
}
