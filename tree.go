package greenlet

import (
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"unsafe"

	"github.com/go-greenlet/greenlet/internal/gort"
	"github.com/go-greenlet/greenlet/internal/layer"
	"github.com/go-greenlet/greenlet/internal/timeline"
)

// A thread is what an OS thread keeps from one tree to the next, to its end. Its
// handle keeps it alive, and with it all that the thread's two local words name.
//
// A free tree has one, too, of its own: see free.go.
type thread struct {
	tid    int
	handle attachment
	root   coro         // the thread's own stack
	one    *gort.Thread // what the engine of one M keeps; nil on the others
	lines  lineThread   // what the engine of lines keeps
	tree   *tree
	pool   pool

	exceptions *exceptions
	errno      *int32
	words      []word // which all of its greenlets carry

	// A free tree that was tied to the thread, the last one.
	guest atomic.Pointer[tree]
}

// A tree is a root and the greenlets under it: all that run on one thread, or, if it is
// free, for one goroutine. Only that touches it, but for the fields that say otherwise.
type tree struct {
	current *Greenlet
	one     *gort.Thread // th's; nil on other engines than that of one M

	inbox message   // what the greenlet that is switched to will find
	hand  *hand     // whose body is switched to by a Cross, for it to find
	by    *Greenlet // and from whom
	busy  busy      // why a switch is not just a switch
	epoch uint32    // collections, when reap was last at work

	th   *thread
	tid  atomic.Int32 // of th, 0 if it is free; to be read by anybody
	free atomic.Bool  // it is bound to its goroutine; see free.go
	made *freeThread  // what it began with, if it was free then; others find its greenlets by it
	id   uint64       // if it was free: its goroutine's number

	orphaned atomic.Bool // its goroutine has ended, and endOrphan is at work, or has been
	buries   bool        // it is for the ends of what another one's goroutine has left
	gave     bool        // some were moved away; written under mu

	root *Greenlet
	heir *Greenlet // who gets control in place of the parent when the current one ends, which it is about to

	mu   sync.Mutex // for those that look on: the thread's own changes of live, and see core
	list listed     // where it is in the list of all trees

	words     []word // which all of its greenlets carry
	sections  int    // of C code that must not be left, around whoever runs
	nlive     int    // started greenlets; root.c is the head of their ring, the oldest first
	unwatched *core  // the oldest in it that watch has not been called for, as those after it; nil: none
	tracer    Tracer
	layer     layer.Layer
	recording *timeline.Recording // that lane belongs to
	lane      *timeline.Lane      // what happens is noted there; nil: nowhere
	ran       *core               // who runs, as far as observed was told; nil: it is not wanted
	implicit  bool                // made by a Switch or Throw, not by Run
	locked    uintptr             // the g of the goroutine that is locked to the thread: with fibers, one of several
	asked     atomic.Int32
	end       atomic.Int32
	goroutine gort.Goroutine // the root's, for ending

	forgotten atomic.Pointer[forgotten] // found by the collector; any goroutine adds
	reaping   bool                      // reap is at work
}

// busy is a set of reasons.
type busy uint8

const (
	busyChores   busy = 1 << iota // take has more to do than to take; see chore
	busySection                   // C code must not be left
	busyOver                      // it has ended
	busyObserved                  // every switch is wanted; see observe
)

// quiet says whether the calling goroutine runs in this tree, and nothing is to be done
// but what it wants to do. Any goroutine may ask.
func (t *tree) quiet() bool { return t.one != nil && t.one.Running() && t.calm() }

// calm is quiet for the goroutine that runs in the tree.
func (t *tree) calm() bool { return t.busy&^busyObserved == 0 && t.epoch == epoch.Load() }

// What asked says about an implicit tree. Whoever changes it first decides: a
// root that somebody has a reference to is not released.
const (
	askedNobody int32 = iota
	askedSomebody
	askedTooLate // released
)

// What end says.
const (
	endNot      int32 = iota
	endReleased       // the goroutine goes on without greenlets
	endScope          // the Run has returned
	endThread         // the thread is gone
)

// currentTree is the tree of the calling goroutine, or nil.
//
// The word is set only while a root has its thread locked, so a goroutine that
// may change threads finds nil on whichever it is.
//
// A free tree is found from the goroutine.
func currentTree() *tree {
	if t := (*tree)(local(wordTree)); t != nil {
		return t
	}
	if roots.n.Load() == 0 {
		return nil
	}
	return freeTree()
}

func init() {
	layer.Here = func() (kept layer.Layer, current unsafe.Pointer) {
		if t := currentTree(); t != nil {
			kept, current = t.layer, unsafe.Pointer(t.current)
			t.raceRelease()
		}
		return kept, current
	}
	layer.Keep = func(l layer.Layer) {
		t := currentTree()
		t.mu.Lock()
		t.layer = l
		t.mu.Unlock()
		t.raceRelease()
	}
	layer.Refused = func(err error) bool {
		_, yes := err.(unsent)
		return yes
	}
	layer.Root = func() unsafe.Pointer {
		t := currentTree()
		t.ask()
		return unsafe.Pointer(t.root)
	}
	layer.Heir = func(to unsafe.Pointer) { currentTree().heir = (*Greenlet)(to) }
}

// ask notes that somebody has a reference to the root.
func (t *tree) ask() { t.asked.CompareAndSwap(askedNobody, askedSomebody) }

// over is a word for String about a tree that has ended.
func (t *tree) over() string {
	switch t.ending() {
	case endReleased, endScope:
		return ", released"
	case endThread:
		return ", exited"
	}
	return ""
}

// Current returns the running greenlet. In a goroutine that has no greenlets it
// makes that goroutine a root for the rest of its life, and returns the root. That does not
// lock it to its thread: whoever needs the thread says [Run] or [runtime.LockOSThread].
// (On the portable engine, and in a goroutine that is locked already, the root is locked for
// as long as it is one.)
//
// If the operating system refuses what that takes (a thread-local key), Current
// panics with the error that a Switch would return.
func Current() *Greenlet {
	if t := currentTree(); t != nil { // the common case
		return t.handOut()
	}
	t, err := newTree(true, true)
	if err != nil {
		panic(err)
	}
	return t.handOut()
}

// handOut returns the running greenlet to the user.
func (t *tree) handOut() *Greenlet {
	g := t.current
	if g == t.root {
		t.ask()
	}
	t.raceRelease()
	return g
}

// ownTree is the tree of the calling goroutine, which is made if there is none.
func ownTree() (*tree, error) {
	if t := currentTree(); t != nil {
		return t, nil
	}
	return newTree(true, true)
}

// Run makes the calling goroutine a root, locked to its thread, and calls f with
// it. When f is done, Run kills the greenlets that still live, youngest first,
// gives everything back, unlocks the goroutine, and returns f's error joined with
// what the killed ones reported: an error that one died with, a panic as
// *PanicError, or that it refused to die.
//
// An iter.Pull that was made outside of f must not be used in it, nor the other way
// round: Go ends the process; see [WithoutLock]. What [Pull] or [NewCoroutine] has made, and
// has begun outside, is refused in f, since it would be killed at the end; and what has begun
// in f is refused outside. To stop it is allowed.
//
// A panic or runtime.Goexit in f goes on after that, and so does a Goexit of a
// greenlet that Run has killed. Run inside a tree is an error.
func Run(f func(root *Greenlet) error, options ...Option) (err error) {
	if f == nil {
		return &opError{op: "Run", err: errors.New("the function is nil")}
	}
	if currentTree() != nil {
		return fail("Run", nil, errInTree, "Run belongs around everything else; here, just use New and Switch")
	}
	words, unlocked, err := runOptions(options)
	if err != nil {
		return fail("Run", nil, err, "")
	}
	t, err := newTree(false, unlocked)
	if err != nil {
		return err
	}
	t.words = words
	take(t.root.c.coro, words)
	t.ask()
	var killed killed
	returned := false
	defer func() {
		t.close(endScope)
		if killed.goexit && returned && !killed.unwound { // else a panic or Goexit is under way
			runtime.Goexit()
		}
	}()
	defer func() {
		if t.sections != 0 { // f's own: those that are killed are not to pay for it
			t.leaveSections()
			killed.errs = append(killed.errs, fail("Run", nil, errEndSection, ""))
		}
		t.killAll(&killed)
		err = errors.Join(append([]error{err}, killed.errs...)...)
	}()
	err = f(t.root)
	returned = true
	return err
}

// WithoutLock is an option of Run, which then does not lock the goroutine to its thread. It is
// locked only while a greenlet is suspended in C, or has locked its thread, as it is outside of
// a Run; see "Goroutines and threads". If the goroutine is locked when Run begins, or on the
// portable engine, Run does as without the option.
//
// What is suspended in C at the end of Run, and refuses to end, is given up, and the
// goroutine is as free as it was before.
func WithoutLock() Option { return func(c *core) { c.more().unlocked = true } }

var errNotRun = errors.New("WithoutLock is an option of Run")

var rootName = "root"

// newTree makes the goroutine a root. It locks the goroutine to its thread, unless the
// tree is to be free and the goroutine is not locked.
func newTree(implicit, free bool) (*tree, error) {
	if err := ready(); err != nil {
		return nil, err
	}
	if free && oneM && !gort.Locked() {
		return newFreeTree(implicit), nil
	}
	lockThread()
	th, err := threadHere()
	if err != nil {
		unlockThread()
		return nil, err
	}
	th.raceAcquire()
	made := &struct {
		t tree
		c core
		g Greenlet
	}{}
	t, c := &made.t, &made.c
	c.id = lastID.Add(1)
	c.name.Store(&rootName)
	c.life.Store(lifeStarted)
	th.root = engine.enter(th)
	c.coro = th.root
	c.tree.Store(t)
	made.g.c, c.held = c, &made.g
	t.th = th
	t.tid.Store(int32(th.tid))
	t.root, t.current, t.one = &made.g, &made.g, th.one
	if t.one != nil {
		t.one.Owner = unsafe.Pointer(t)
	}
	t.epoch = epoch.Load()
	c.coro.SetOwner(unsafe.Pointer(t))
	t.carry()
	c.next, c.prev = c, c
	t.implicit = implicit
	t.locked = gort.Getg()
	if lined.Load() {
		t.goroutine = gort.Self()
	}
	th.tree = t
	setLocal(wordTree, unsafe.Pointer(t))
	t.enlist()
	t.observe()
	return t, nil
}

// threadHere is the record of the calling thread, to which the goroutine is locked.
func threadHere() (*thread, error) {
	th := (*thread)(local(wordThread))
	if th == nil {
		th = &thread{tid: threadID(), exceptions: threadExceptions(), errno: errnoAddress()}
		if err := th.attach(); err != nil {
			return nil, err
		}
		engine.enterThread(th)
		setLocal(wordThread, unsafe.Pointer(th))
	}
	return th, nil
}

// close ends the tree, called by its root's goroutine.
//
// The thread may end, or become somebody else's root, as soon as it is unlocked.
func (t *tree) close(end int32) {
	if !t.finish(end) {
		return
	}
	if t.free.Load() {
		t.leaveGoroutine()
		return
	}
	setLocal(wordTree, nil)
	t.th.tree = nil
	t.th.pool.sweep()
	engine.leave(t.th)
	t.raceRelease()
	unlockThread()
}

// finish marks all that belongs to the tree as over. False: it has been over before, and
// what it had may be somebody else's by now. (The hook that hears of the ends of those that
// endOrphan kills may use greenlets, and that ends endOrphan's own tree, which is implicit.)
func (t *tree) finish(end int32) bool {
	if !t.end.CompareAndSwap(endNot, end) {
		return false
	}
	t.delist()
	t.busy |= busyOver
	t.root.c.life.Store(lifeDead)
	for c := t.youngest(); c != nil; c = t.youngest() {
		if t.hold(c) { // else somebody takes it just now
			t.drop(c)
		}
	}
	if t.tracer = nil; t.lane != nil {
		t.lane.Close(gort.Ticks())
		t.lane, t.recording = nil, nil
	}
	t.inbox = message{}
	if t.layer != nil {
		t.layer.End()
		t.mu.Lock()
		t.layer = nil
		t.mu.Unlock()
	}
	return true
}

// youngest is the started greenlet that was started last; nil: there is none.
func (t *tree) youngest() *core {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.root.c.prev == t.root.c {
		return nil
	}
	return t.root.c.prev
}

// done is the last thing that an operation does. It ends an implicit tree whose
// root nobody knows and which has nothing left to run, and unlocks the goroutine. It
// cannot unlock another one: then the tree lasts until the right one is done.
func (t *tree) done() {
	if t.implicit && t.many() == 0 && t.locked == gort.Getg() && t.asked.CompareAndSwap(askedNobody, askedTooLate) {
		t.close(endReleased)
	}
	t.raceRelease()
}

// killed is what the end of a Run hears of those that it kills.
type killed struct {
	errs    []error
	goexit  bool // one of them died by runtime.Goexit
	unwound bool // a tracer has panicked or called Goexit
}

// killAll kills what lives, youngest first, at the end of a Run.
func (t *tree) killAll(k *killed) {
	done := false
	defer func() {
		if !done { // the tracer is gone now; the others are to die, too
			k.unwound = true
			t.killAll(k)
		}
	}()
	// Deaths may start greenlets that die hard, too: that has to end some time.
	c := t.youngest()
	for tries := 2*t.many() + 1000; c != nil && tries > 0; tries-- {
		err, goexit := t.kill("the end of Run", c.greenlet())
		if err != nil && c.tree.Load() == t { // else it was forgotten, and ends elsewhere
			k.errs = append(k.errs, err)
		}
		k.goexit = k.goexit || goexit
		if c.life.Load() == lifeStarted && c == t.youngest() && t.hold(c) {
			t.drop(c) // it had its chance
		}
		c = t.youngest()
	}
	if c != nil {
		k.errs = append(k.errs, fail("Run", c.greenlet(), errLivesOn, "too many greenlets were started by deaths"))
	}
	done = true
}

// drop ends a started greenlet of which nothing will ever run again.
func (t *tree) drop(c *core) {
	t.th.pool.abandon(c.worker)
	t.die(c)
}

// exit is called as the thread ends, or elsewhere. What is suspended there can never run
// again.
func (th *thread) exit(elsewhere bool) {
	th.raceAcquire()
	th.exceptions = nil
	if !elsewhere {
		th.exceptions = threadExceptions() // LLVM's C++ runtime frees its own as the thread ends
		setLocal(wordTree, nil)
		setLocal(wordThread, nil)
	}
	if t := th.tree; t != nil {
		t.finish(endThread)
		th.tree = nil
	}
	th.endGuest()
	th.pool.sweep()
	engine.end(th)
	th.detach()
}
