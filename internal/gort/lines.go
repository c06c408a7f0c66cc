package gort

import (
	"errors"
	"fmt"
	"iter"
	"runtime"
	"sync"
)

// Coros as they are. The runtime's coro always has one goroutine blocked on it;
// coroswitch exchanges that one for the caller. So a tree of n greenlets has n coros, the
// goroutine that runs is blocked on none of them, and to go on with another one it
// crosses the coro on which that one is blocked, whichever it is. No word of the
// runtime's structs is written for that, and none has to be known.

// A Line is a coro.
type Line struct {
	c *lineCoro

	// The same of an iter.Pull, by its public functions.
	next      func() (struct{}, bool)
	yield     func(struct{}) bool
	nextWaits bool // somebody is blocked in next, and the others have to yield
}

// lineCoro is runtime.coro, of which nothing is known here.
type lineCoro struct{ _ [5]uintptr }

// The runtime's functions, after FindLines.
var lineNew func(func(*lineCoro)) *lineCoro
var lineSwitch, lineExit func(*lineCoro)

// NewLine makes a line with a goroutine blocked on it that has not run: whoever crosses
// the line first starts body on it. When body has ended, whoever is blocked on the line
// goes on. The caller's lock counts (LockOSThread) have to be the same at every crossing.
//
// A public line is made of iter.Pull and nothing else. The other ones need FindLines.
func NewLine(public bool, body func()) (l *Line) {
	unlocked(func() { l = newLine(public, body) })
	return l
}

func newLine(public bool, body func()) *Line {
	l := &Line{}
	if public {
		l.next, _ = iter.Pull(func(yield func(struct{}) bool) {
			l.yield = yield
			body()
		})
		return l
	}
	l.c = lineNew(func(*lineCoro) {
		defer dieOfEscapedPanic()
		l.raceAcquire()
		defer l.raceRelease()
		body()
	})
	return l
}

// Cross suspends the calling goroutine on the line, and goes on with the one that was
// blocked there. It returns when somebody crosses the line again, or the body that the
// line was made for ends.
func (l *Line) Cross() {
	switch {
	case l.c != nil:
		l.raceRelease()
		lineSwitch(l.c)
		l.raceAcquire()
	case l.nextWaits:
		l.nextWaits = false
		l.yield(struct{}{})
	default:
		l.nextWaits = true
		l.next()
	}
}

// Exit ends the calling goroutine, for whose body the line was made, without its deferred
// calls, in favour of whoever is blocked on the line. A public line cannot do that.
func (l *Line) Exit() {
	l.raceRelease()
	lineExit(l.c)
}

// Goexits has to be called before the body of a public line ends by runtime.Goexit, which
// iter.Pull would hand on to whoever is blocked in next. It says whether somebody is: then
// another one has to take that place.
func (l *Line) Goexits() bool { return l.nextWaits }

// FindLines finds the functions that lines which are not public need, without linkname,
// which the linker does not allow for them, and without knowing a field of any struct:
// runtime.corostart is among the callers of what iter.Pull runs, and the functions around
// it are looked at by name, the whole of the program's text if need be.
var FindLines = sync.OnceValue(func() error {
	start := corostart()
	if start == 0 {
		return errors.New("runtime.corostart is not among the callers in an iter.Pull")
	}
	var enter, swtch, exit uintptr
	around(start, func(f uintptr, name string) (done bool) {
		switch name {
		case "runtime.newcoro":
			enter = f
		case "runtime.coroswitch":
			swtch = f
		case "runtime.coroexit":
			exit = f
		}
		return enter != 0 && swtch != 0 && exit != 0
	})
	for name, f := range map[string]uintptr{"newcoro": enter, "coroswitch": swtch, "coroexit": exit} {
		if f == 0 {
			return fmt.Errorf("runtime.%s is not in the program", name)
		}
	}
	lineNew = funcAt[func(func(*lineCoro)) *lineCoro](enter)
	lineSwitch, lineExit = funcAt[func(*lineCoro)](swtch), funcAt[func(*lineCoro)](exit)
	return nil
})

// corostart returns where runtime.corostart begins.
func corostart() (entry uintptr) {
	next, stop := iter.Pull(func(yield func(struct{}) bool) {
		pcs := make([]uintptr, 16)
		for _, pc := range pcs[:runtime.Callers(0, pcs)] {
			if f := runtime.FuncForPC(pc - 1); f != nil && f.Name() == "runtime.corostart" {
				entry = f.Entry()
			}
		}
		yield(struct{}{})
	})
	next()
	stop()
	return entry
}

// around calls look with the functions of the program's text, those near to the one that
// begins at start first, until it says that that is enough.
func around(start uintptr, look func(entry uintptr, name string) (done bool)) {
	const near = 300       // functions to look at before the other direction has its turn
	const chunk = 64 << 10 // bytes that are searched upward at a time, from their end
	// At its entry, FuncForPC does not tell the name of a function that was inlined there.
	seen := func(entry uintptr) bool { return look(entry, runtime.FuncForPC(entry).Name()) }
	before := func(entry uintptr) uintptr {
		if f := runtime.FuncForPC(entry - 1); f != nil {
			return f.Entry()
		}
		return 0
	}
	if seen(start) {
		return
	}
	lo, hi, top := start, start, start
	for down, up := true, true; down || up; {
		for n := 0; down && n < near; n++ {
			if e := before(lo); e == 0 {
				down = false
			} else if lo = e; seen(e) {
				return
			}
		}
		if !up {
			continue
		}
		top += chunk
		f := runtime.FuncForPC(top)
		for p := top; f == nil && p > hi; p -= chunk / 256 { // the text ends here
			f, up = runtime.FuncForPC(p), false
		}
		if f == nil {
			continue
		}
		first := f.Entry()
		for e := first; e > hi; e = before(e) {
			if seen(e) {
				return
			}
		}
		hi = max(hi, first)
	}
}
