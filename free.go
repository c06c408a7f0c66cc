package greenlet

import (
	"errors"
	"maps"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"unsafe"

	"github.com/go-greenlet/greenlet/internal/gort"
)

// A tree is bound to a thread or free. A thread's tree is found by a thread-local word, and
// its root's goroutine is locked to the thread. A free one belongs to its root's goroutine,
// wherever that runs (internal/gort/free.go), and is found by that. It has a record of type
// thread of its own, since it has workers and an engine's record.
//
// Other goroutines take part in a free tree in two ways: they take a greenlet away that is
// suspended (adopt), and they end what its goroutine leaves behind (orphans.go). What is
// theirs to touch is the list of those that live, when they have locked it.

// cStacks makes C stacks, on the engine of one M. Nil: there is no C in this build.
var cStacks *gort.Stacks

// newFreeTree makes the calling goroutine, which is not locked to its thread, the root of a
// free tree.
func newFreeTree(implicit bool) *tree {
	made := &struct {
		t tree
		c core
		g Greenlet
	}{}
	t, c := &made.t, &made.c
	engines := freeThreads.Get().(*freeThread)
	th := &engines.th
	c.id = lastID.Add(1)
	c.name.Store(&rootName)
	c.life.Store(lifeStarted)
	engines.one.InitFree(cStacks, unsafe.Pointer(t))
	th.one, th.tree = &engines.one, t
	th.root = th.one.EnterFree()
	c.coro = th.root
	c.tree.Store(t)
	made.g.c, c.held = c, &made.g
	t.th, t.one, t.made = th, th.one, engines
	t.free.Store(true)
	t.root, t.current = &made.g, &made.g
	t.epoch = epoch.Load()
	c.coro.SetOwner(unsafe.Pointer(t))
	c.next, c.prev = c, c
	t.implicit = implicit
	t.locked, t.id = gort.CurrentG()
	roots.add(t)
	t.enlist()
	t.observe()
	return t
}

// A freeThread is a free tree's engine. It is used again, since it is large, and trees come
// and go with a Pull.
type freeThread struct {
	th  thread
	one gort.Thread
}

var freeThreads = sync.Pool{New: func() any { return &freeThread{} }}

// bind makes a free tree one of the thread's, for a greenlet that is to have a C stack of
// its own size, or to carry a variable of the thread. That is only done while nothing but the
// root lives in it: else it stays as it is.
func (t *tree) bind() error {
	if t.current != t.root || t.many() != 0 {
		return nil
	}
	t.th.pool.trim(0, t.th.root)
	orphans.Lock()
	defer orphans.Unlock()
	if t.many() != 0 { // somebody has just given it a greenlet
		return nil
	}
	lockThread()
	th, err := threadHere()
	if err != nil {
		unlockThread()
		return err
	}
	roots.remove(t)
	th.raceAcquire()
	th.root = engine.enter(th)
	t.mu.Lock()
	t.root.c.coro = th.root
	t.mu.Unlock()
	t.th, t.one = th, th.one
	t.carry()
	t.tid.Store(int32(th.tid))
	t.free.Store(false)
	t.one.Owner = unsafe.Pointer(t)
	th.root.SetOwner(unsafe.Pointer(t))
	th.tree = t
	setLocal(wordTree, unsafe.Pointer(t))
	return nil
}

// leaveGoroutine is the end of close for a free tree.
func (t *tree) leaveGoroutine() {
	t.th.pool.sweep()
	t.one.Untie()
	engine.leave(t.th)
	roots.remove(t)
	t.raceRelease()
	t.mu.Lock()
	// Who was moved away, and has not run since, still tells by the record whether it was.
	again := !t.gave
	t.mu.Unlock()
	if again && len(t.th.pool.idle) == 0 && len(t.th.pool.lost) == 0 && t.th.guest.Load() == nil {
		freeThreads.Put((*freeThread)(unsafe.Pointer(t.th)))
	}
}

// freeTree is the free tree that the calling goroutine runs in, or nil.
func freeTree() *tree {
	g, id := gort.CurrentG()
	if t := roots.find(g, id); t != nil {
		return t
	}
	c, g, id := gort.CurrentCoro()
	switch {
	case c != nil:
		return (*tree)(c.Home().Owner)
	case g != 0:
		return roots.find(g, id)
	}
	return nil
}

// gone says whether the tree is free and its root's goroutine has ended. Any goroutine may
// ask.
func (t *tree) gone() bool { return t.free.Load() && gort.GoroutineEnded(t.locked, t.id) }

// roots are the free trees, by their goroutines.
var roots rootSet

// A rootSet has most trees in a table, by a hash of g. Those whose place is taken are in
// more, by the goroutine's number.
type rootSet struct {
	n     atomic.Int64
	table [1 << rootBits]atomic.Pointer[tree]

	nmore atomic.Int64
	mu    sync.Mutex
	more  map[uint64]*tree
}

const rootBits = 12

func (r *rootSet) place(g uintptr) *atomic.Pointer[tree] {
	const golden = 0x9E3779B97F4A7C15
	return &r.table[uint64(g)*golden>>(64-rootBits)]
}

func (r *rootSet) add(t *tree) {
	r.n.Add(1)
	if r.place(t.locked).CompareAndSwap(nil, t) {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.more == nil {
		r.more = map[uint64]*tree{}
	}
	r.more[t.id] = t
	r.nmore.Add(1)
}

// remove takes t out, if it is there.
func (r *rootSet) remove(t *tree) {
	if !r.place(t.locked).CompareAndSwap(t, nil) {
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.more[t.id] != t {
			return
		}
		delete(r.more, t.id)
		r.nmore.Add(-1)
	}
	r.n.Add(-1)
}

// find returns the tree of a goroutine; nil: it has none.
func (r *rootSet) find(g uintptr, id uint64) *tree {
	if t := r.place(g).Load(); t != nil && t.locked == g && t.id == id {
		return t
	}
	if r.nmore.Load() == 0 {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.more[id]
}

// each calls f for those that are there now.
func (r *rootSet) each(f func(t *tree)) {
	if r.n.Load() == 0 {
		return
	}
	for i := range r.table {
		if t := r.table[i].Load(); t != nil {
			f(t)
		}
	}
	r.mu.Lock()
	more := slices.Collect(maps.Values(r.more))
	r.mu.Unlock()
	for _, t := range more {
		f(t)
	}
}

// many is how many live. Others may be taking some away.
func (t *tree) many() int {
	if raceEnabled && t.made != nil {
		t.mu.Lock()
		defer t.mu.Unlock()
	}
	return t.nlive
}

// hold makes sure that c, which is suspended in this tree, is not taken away before it is
// switched to. False: it has been.
func (t *tree) hold(c *core) bool {
	if !t.free.Load() || c == t.current.c || c == t.root.c {
		return true
	}
	var coro coro
	if raceEnabled { // it may be ending elsewhere: then it is found gone, or another tree's
		in := c.lockTree()
		coro = c.coro
		in.mu.Unlock()
	} else {
		coro = c.coro
	}
	return coro != nil && coro.Hold(t.one)
}

var (
	errAway   = errors.New("it runs, or waits in or for a next, a Resume or a Kill")
	errHeld   = errors.New("it is suspended in C code, or has locked its thread, so it can go on only on its own goroutine")
	errEnds   = errors.New("the tree there is about to end")
	errScope  = errors.New("it was begun outside of a Run and is used in it, or the other way round")
	errBubble = errors.New("one of the two is in a bubble of testing/synctest")
)

// take is use for operations that any goroutine may do on the body of a hand, which is
// then moved to the caller's tree. last says that the operation ends the body: else nothing
// that has begun comes into a Run, at whose end it would be killed, or out of one.
func (g *Greenlet) take(op string, last bool) (*tree, error) {
	if !g.valid() || g.c.hand == nil {
		return g.use(op)
	}
	t, o := currentTree(), g.owner()
	if o == nil || o == t || !o.free.Load() {
		return g.use(op)
	}
	if end := o.end.Load(); end != endNot && (end != endThread || g.c.life.Load() != lifePending) {
		return g.use(op) // else it has not begun on the goroutine that has made it, and that has ended
	}
	if t == nil {
		var err error
		if t, err = newTree(true, true); err != nil {
			return nil, err
		}
	} else if t.sections != 0 {
		return nil, fail(op, g, errSection, "leave it first")
	} else if err := engine.ready(t.th, t.current.c.coro); err != nil {
		return nil, fail(op, g, err, "")
	}
	if err := t.adopt(g.c, o, last || t.implicit && o.implicit); err != nil {
		t.done()
		return nil, fail(op, g, errors.Join(ErrWrongThread, err), "")
	}
	return t, nil
}

// adopt moves the body of a hand from another tree to this one, in which the calling
// goroutine runs: one that has begun only if begun says so. An error means that nothing was
// touched.
func (t *tree) adopt(c *core, from *tree, begun bool) error {
	for {
		switch c.life.Load() {
		case lifeDead:
			return nil
		case lifePending:
			if c.life.CompareAndSwap(lifePending, lifeMoving) {
				c.parent.Store(nil) // the root that it is first used from
				c.life.Store(lifePending)
				return nil
			}
		case lifeStarted:
			if !begun {
				return errScope
			}
			return t.fetch(c, from, func() bool {
				h := c.hand
				return h.waiter.by == nil && c.waiter == nil && h.parked
			})
		}
		runtime.Gosched()
	}
}

// fetch moves c, which is suspended in another tree, and what hangs under it. ok is asked
// while nobody else can touch c.
func (t *tree) fetch(c *core, from *tree, ok func() bool) error {
	from.mu.Lock() // it may end just now: with its thread, in C
	err := from.claim(c)
	from.mu.Unlock()
	if err != nil {
		return err
	}
	was := &from.made.one
	if was.Bubble() || t.one.Bubble() {
		c.coro.Unclaim(was)
		return errBubble
	}
	if !ok() {
		c.coro.Unclaim(was)
		return errAway
	}
	from.mu.Lock()
	all := []*core{c}
	if c.kids.Load() {
		for d := from.root.c.next; d != from.root.c; d = d.next {
			if d == c || !d.under(c) {
				continue
			}
			if err := from.claim(d); err != nil {
				for _, d := range all {
					d.coro.Unclaim(was)
				}
				from.mu.Unlock()
				return err
			}
			all = append(all, d)
		}
	}
	from.gave = true
	for _, d := range all {
		from.unlink(d)
		d.tree.Store(t) // so that who looks on locks the tree in which it can go on, and end
	}
	from.mu.Unlock()
	for _, d := range all {
		t.receive(d)
	}
	if from.orphaned.Load() { // this may have been the last one
		orphans.Lock()
		from.endIfEmpty()
		orphans.Unlock()
	}
	return nil
}

// give moves c, a started greenlet of the calling goroutine's tree, and what hangs under it
// to the tree of p, its new parent.
func (t *tree) give(c *core, p *Greenlet, to *tree) error {
	if c == t.current.c {
		return errAway
	}
	orphans.Lock() // so that nobody ends that tree meanwhile but its own goroutine
	defer orphans.Unlock()
	old := c.parent.Swap(p) // before anybody can go on with it
	ends := false
	err := to.fetch(c, t, func() bool {
		if t.waiting(c) {
			return false
		}
		to.ask() // it lasts now
		ends = to.asked.Load() == askedTooLate || to.end.Load() != endNot || to.gone() || !to.free.Load()
		return !ends
	})
	if err != nil {
		c.parent.Store(old)
	}
	if ends {
		return errEnds
	}
	return err
}

// waiting says whether c, or what hangs under it, waits for somebody's end or yield, or is
// waited for, elsewhere.
func (t *tree) waiting(c *core) bool {
	in := func(d *core) bool { return d == c || d.under(c) }
	return len(t.pick(func(d *core) bool {
		for w := d.waiter; w != nil; w = w.next {
			if in(w.by.c) || in(d) {
				return true
			}
		}
		return false
	})) > 0
}

// claim takes a started greenlet of this tree, which is another goroutine's; see gort. Its
// caller has locked mu, under which greenlets end and leave.
func (t *tree) claim(c *core) error {
	if c.tree.Load() != t || t.made == nil || c.coro == nil {
		return errAway
	}
	if !c.coro.Claim(&t.made.one, func() bool { return t.runs(c) }) {
		if c.coro.Held() {
			return errHeld
		}
		return errAway
	}
	return nil
}

// under says whether c hangs under top.
func (c *core) under(top *core) bool {
	for p := c.parent.Load(); p != nil; p = p.c.parent.Load() {
		if p.c == top {
			return true
		}
	}
	return false
}

// receive ends the move of a claimed greenlet, which is in no list.
func (t *tree) receive(c *core) {
	c.worker.th = t.th
	if h := c.hand; h != nil {
		h.t, h.ready = t, nil
		h.body.moved()
	}
	t.mu.Lock()
	t.link(c)
	t.mu.Unlock()
	if p := c.parent.Load(); p != nil && p.owner() != t {
		c.parent.Store(t.root)
	}
	c.coro.Place(t.one, unsafe.Pointer(t))
}
