package greenlet

import (
	"errors"
	"runtime"
	"unsafe"

	"github.com/go-greenlet/greenlet/internal/gort"
)

// A lineEngine runs each greenlet in the goroutine of a runtime.coro. A line is such a coro: one
// goroutine is blocked on it, and crossing the line exchanges that goroutine for the caller. So
// a greenlet is resumed by crossing the line on which it is blocked; see
// internal/gort/lines.go.
type lineEngine struct {
	public bool // lines are made of iter.Pull, package iter's public function
}

// tryCoro and tryPull are the candidates: by the runtime's own functions, and by iter.Pull.
func tryCoro() (switcher, string, error) {
	if err := gort.FindLines(); err != nil {
		return nil, "", err
	}
	return tryLines(lineEngine{})
}

func tryPull() (switcher, string, error) { return tryLines(lineEngine{public: true}) }

// tryLines makes two switches and an end, before a tree relies on them. details is what could
// not be measured, for Runtime's report: the engine works without that.
func tryLines(e lineEngine) (_ switcher, details string, err error) {
	unmeasured := gort.Measure()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	keyedByGoroutine = gort.LockedTo() == 0
	l := &lineThread{}
	root, child := &lineCoro{}, &lineCoro{}
	began, ended := 0, 0
	child.own = gort.NewLine(e.public, func() {
		began++
		l.switchTo(child, root)
		ended++
		l.running = root
	})
	child.on, l.running = child.own, root
	l.switchTo(root, child)
	l.switchTo(root, child)
	if began != 1 || ended != 1 {
		return nil, "", errors.New("a switch failed")
	}
	if unmeasured != nil {
		return e, " (" + unmeasured.Error() + ")", nil
	}
	return e, "", nil
}

// A lineCoro is a coroutine of this engine. Its first field is the coro that the rest of the
// package knows, and by which lineCoroOf finds it.
type lineCoro struct {
	gort.Coro
	on   *gort.Line // the line on which it is blocked while it is suspended; nil while it runs
	own  *gort.Line // its goroutine's line: when the goroutine ends, the one blocked there is resumed; nil for a root
	w    *worker    // nil for a root
	heir *lineCoro  // set by destroy: it ends as soon as it is resumed, and then heir is resumed
}

func lineCoroOf(c coro) *lineCoro { return (*lineCoro)(unsafe.Pointer(c)) }

// A lineThread is what the engine keeps for a tree. Only the goroutine of the tree that runs
// touches it.
type lineThread struct {
	running            *lineCoro // the coroutine that runs, or is about to be resumed
	m                  uintptr   // the M to which the tree's goroutines are locked; 0: keyedByGoroutine
	external, internal uint32    // lock counts of m with which all lines are made and crossed
}

// switchTo suspends from, which runs, and resumes to. It returns when from is the one to run
// again. It loops because from can be resumed when it is another coroutine's turn: when a
// goroutine ends, the runtime resumes the goroutine that is blocked on its line, whichever that
// is, and that one switches on to l.running.
func (l *lineThread) switchTo(from, to *lineCoro) {
	l.running = to
	for l.running != from {
		next := l.running
		line := next.on
		next.on, from.on = nil, line
		line.Cross()
	}
	from.on = nil
}

// levelLocks sets the external lock count of the M to the tree's, because the runtime ends the
// process if a line is crossed with other counts than it was made with (coroswitch_m, coro.go). It returns the calls of
// LockOSThread, less those of UnlockOSThread, that the running greenlet has made on its own
// account, for addLocks when it is resumed. The tree's own count keeps the thread locked
// throughout.
func (l *lineThread) levelLocks() (ownLocks int) {
	if l.m == 0 {
		return 0
	}
	external, _ := gort.Locks(l.m)
	ownLocks = int(int32(external - l.external))
	l.addLocks(-ownLocks)
	return ownLocks
}

// addLocks calls LockOSThread n times, or UnlockOSThread if n is negative.
func (l *lineThread) addLocks(n int) {
	for ; n > 0; n-- {
		runtime.LockOSThread()
	}
	for ; n < 0; n++ {
		runtime.UnlockOSThread()
	}
}

func (lineEngine) enterThread(*thread) {}

func (lineEngine) enterRoot(th *thread) coro {
	l := &th.lines
	*l = lineThread{running: &lineCoro{}}
	if !keyedByGoroutine {
		l.m = gort.LockedTo()
		l.external, l.internal = gort.Locks(l.m)
	}
	return &l.running.Coro
}

func (e lineEngine) leaveRoot(th *thread) { th.pool.trim(0, th.root) }

// endThread is never called: Go has no notification of the end of a thread.
func (lineEngine) endThread(*thread) {}

var errInCallback = errors.New("this is a function that C, or the system, calls back, and it cannot be left here")

// canSuspend is an error in a call from C that began after the root. Such a call has raised the
// internal lock count, which cannot be changed, and the runtime ends the process when a line
// is crossed with another count than it was made with.
func (lineEngine) canSuspend(th *thread, _ coro) error {
	if l := &th.lines; l.m != 0 {
		if _, internal := gort.Locks(l.m); internal != l.internal {
			return errInCallback
		}
	}
	return nil
}

func (e lineEngine) newWorker(w *worker) error {
	l := &w.th.lines
	defer l.addLocks(l.levelLocks())
	c := &lineCoro{w: w}
	tree := w.th.tree
	c.own = gort.NewLine(e.public, func() {
		if c.heir != nil {
			l.running = c.heir
			return
		}
		if keyedByGoroutine {
			id := gort.GoroutineID()
			recordOwner(id, tree)
			defer recordOwner(id, nil)
		}
		w.serve()
		if w.successor != nil {
			l.running = lineCoroOf(w.successor)
		}
	})
	c.on, w.coro = c.own, &c.Coro
	return nil
}

func (lineEngine) workerOf(c coro) *worker { return lineCoroOf(c).w }

func (lineEngine) switchTo(th *thread, from, to coro) {
	l, c := &th.lines, lineCoroOf(from)
	ownLocks := l.levelLocks()
	l.switchTo(c, lineCoroOf(to))
	if c.heir != nil {
		if keyedByGoroutine {
			recordOwner(gort.GoroutineID(), nil)
		}
		l.running = c.heir
		c.own.Exit()
	}
	if c.w == nil || c.w.core != nil { // else the greenlet that had locked the thread has ended
		l.addLocks(ownLocks)
	}
}

// exitTo makes to the coroutine to run. The end of the goroutine then resumes the goroutine that
// is blocked on its line, which switches on to it (see lineThread.switchTo). If that one is blocked
// in next, on a line of iter.Pull, the Goexit would be passed on to it. So a helper goroutine
// resumes it first, and blocks on the line in yield in its place.
func (e lineEngine) exitTo(w *worker, to coro) {
	l, c := &w.th.lines, lineCoroOf(w.coro)
	l.levelLocks()
	if e.public && c.own.Goexits() {
		helper := &lineCoro{}
		helper.own = gort.NewLine(true, func() {
			l.running = c
			c.own.Cross()
		})
		helper.on = helper.own
		l.switchTo(c, helper)
	}
	l.running = lineCoroOf(to)
}

func (e lineEngine) retire(w *worker, by coro) {
	w.retired, w.successor = true, by
	e.switchTo(w.th, by, w.coro)
}

// destroy resumes the worker only to end it, without its deferred calls, by runtime.coroexit. It
// does nothing, and the worker stays suspended, on lines of package iter, which has no such
// function, and when the tree's goroutine has ended, since the line can be crossed on its M only.
func (e lineEngine) destroy(w *worker) {
	l, c := &w.th.lines, lineCoroOf(w.coro)
	if e.public || w.th.tree != nil && w.th.tree.end.Load() == endThread {
		return
	}
	ownLocks := l.levelLocks()
	c.heir = l.running
	l.switchTo(c.heir, c)
	l.addLocks(ownLocks)
}

// cStack is 0: C code runs on the thread's own stack.
func (lineEngine) cStack(coro) native { return 0 }
