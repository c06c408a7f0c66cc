package greenlet

import (
	"errors"
	"runtime"
	"unsafe"

	"github.com/go-greenlet/greenlet/internal/gort"
)

// A lineEngine has each greenlet in a goroutine of a coroutine of the runtime's, and goes
// from one to the other by the lines that they are blocked on; see internal/gort/lines.go.
type lineEngine struct {
	public bool // lines are made of iter.Pull
}

func tryCoro() (switcher, string, error) {
	if err := gort.FindLines(); err != nil {
		return nil, "", err
	}
	return tryLines(lineEngine{})
}

func tryPull() (switcher, string, error) { return tryLines(lineEngine{public: true}) }

// tryLines makes a switch, before anybody relies on it, and says what could not be found out.
func tryLines(e lineEngine) (switcher, string, error) {
	err := gort.Measure()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	keyedByGoroutine = gort.LockedTo() == 0
	l := &lineThread{}
	root, a := &lineCoro{}, &lineCoro{}
	began, ended := 0, 0
	a.own = gort.NewLine(e.public, func() {
		began++
		l.switchTo(a, root)
		ended++
		l.running = root
	})
	a.on, l.running = a.own, root
	l.switchTo(root, a)
	l.switchTo(root, a)
	if began != 1 || ended != 1 {
		return nil, "", errors.New("a switch failed")
	}
	if err != nil {
		return e, " (" + err.Error() + ")", nil
	}
	return e, "", nil
}

// A lineCoro is a coroutine of this engine. The rules above it know its first field.
type lineCoro struct {
	gort.Coro
	on   *gort.Line // by which it is to be resumed, while it is suspended
	own  *gort.Line // on which somebody goes on when it ends; nil for a root
	w    *worker    // nil for a root
	heir *lineCoro  // it is given up: when it is resumed it ends at once, in favour of that one
}

func lineCoroOf(c coro) *lineCoro { return (*lineCoro)(unsafe.Pointer(c)) }

// A lineThread is what the engine keeps for a tree.
type lineThread struct {
	running            *lineCoro // or meant to run
	m                  uintptr   // to which its goroutines are locked; 0: byGoroutine
	external, internal uint32    // lock counts of m, with which all lines are made and crossed
}

// switchTo suspends from, which runs, and goes on with to. It returns when somebody has gone on
// with from. An end wakes whoever is blocked on the line of the one that ends, and that one
// goes on with who is meant.
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

// levelLocks brings the external lock count to what it is for the whole tree, since a line is to be
// crossed with the counts that it was made with. What a greenlet has locked and unlocked
// besides is its own: uneven brings it back. The thread stays locked all the while.
func (l *lineThread) levelLocks() (besides int) {
	if l.m == 0 {
		return 0
	}
	external, _ := gort.Locks(l.m)
	besides = int(int32(external - l.external))
	l.addLocks(-besides)
	return besides
}

func (l *lineThread) addLocks(besides int) {
	for ; besides > 0; besides-- {
		runtime.LockOSThread()
	}
	for ; besides < 0; besides++ {
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

// endThread is never called: nobody tells of the end of a thread.
func (lineEngine) endThread(*thread) {}

var errInCallback = errors.New("this is a function that C, or the system, calls back, and it cannot be left here")

// canSuspend refuses what the runtime would end the process for.
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
		if w.retirer != nil {
			l.running = lineCoroOf(w.retirer)
		}
	})
	c.on, w.coro = c.own, &c.Coro
	return nil
}

func (lineEngine) switchTo(th *thread, from, to coro) {
	l, c := &th.lines, lineCoroOf(from)
	besides := l.levelLocks()
	l.switchTo(c, lineCoroOf(to))
	if c.heir != nil {
		if keyedByGoroutine {
			recordOwner(gort.GoroutineID(), nil)
		}
		l.running = c.heir
		c.own.Exit()
	}
	if c.w == nil || c.w.core != nil { // else the one that had locked it has ended
		l.addLocks(besides)
	}
}

// exitTo has the goroutine's end wake somebody who goes on with to. On a line of iter.Pull
// that has to be somebody who waits in yield, since next would hand the Goexit on; one is
// made who takes the place of whoever waits in next.
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
	w.retired, w.retirer = true, by
	e.switchTo(w.th, by, w.coro)
}

// destroy ends the worker without its deferred calls, by the runtime's own function for
// that. Package iter has none: then it stays where it is.
func (e lineEngine) destroy(w *worker) {
	l, c := &w.th.lines, lineCoroOf(w.coro)
	if e.public || w.th.tree != nil && w.th.tree.end.Load() == endThread {
		return
	}
	besides := l.levelLocks()
	c.heir = l.running
	l.switchTo(c.heir, c)
	l.addLocks(besides)
}

// cStack is 0: C code runs on the thread's own.
func (lineEngine) cStack(coro) native { return 0 }
