package greenlet

import (
	"regexp"
	"runtime"
	"sync/atomic"
)

// Stack returns the Go frames of a suspended greenlet, innermost first: from its
// pending Switch to its body. Where C code lies between, its boundary shows as
// the frames of runtime.cgocall and of the call back into Go.
//
// It returns nil for a greenlet that is not suspended, and when called from
// another thread than the greenlet's.
func (g *Greenlet) Stack() []runtime.Frame {
	t := currentTree()
	if t == nil || !g.valid() || g.c.life.Load() != lifeStarted || g.c.tree.Load() != t || g.c == t.current.c {
		return nil
	}
	if engine.ready(t.th, t.current.c.coro) != nil {
		return nil
	}
	var frames []runtime.Frame
	t.visit(g, func() { frames = ownFrames() })
	return frames
}

// visit has a suspended greenlet of this tree call f, which must not switch, and go on
// waiting: only a goroutine itself can walk its stack, and change its labels.
func (t *tree) visit(g *Greenlet, f func()) {
	from := t.current
	t.inbox = message{kind: kindProbe, value: f, origin: from}
	t.enter(g)
	engine.switchTo(t.th, from.c.coro, g.c.coro)
	t.raceRelease()
}

// answer is what the visited one does.
func (t *tree) answer(m message) {
	m.value.(func())()
	from := t.current.c.coro
	t.enter(m.origin)
	engine.switchTo(t.th, from, m.origin.c.coro)
}

// inside matches our own machinery under Switch.
var inside = regexp.MustCompile(`^github\.com/go-greenlet/greenlet\.(\(\*tree\)\.|\(\*Greenlet\)\.(send|transfer|switchTo)$)`)

// ownFrames collects the frames below answer, which has called what calls it.
func ownFrames() (frames []runtime.Frame) {
	const skip = 3 // runtime.Callers, this, and who called it
	pcs := make([]uintptr, 64)
	n := runtime.Callers(skip, pcs)
	for n == len(pcs) {
		pcs = make([]uintptr, 2*len(pcs))
		n = runtime.Callers(skip, pcs)
	}
	const below = "github.com/go-greenlet/greenlet.(*core).execute"
	it := runtime.CallersFrames(pcs[:n])
	for more := true; more; {
		var f runtime.Frame
		f, more = it.Next()
		if f.Function == below {
			break
		}
		if len(frames) == 0 && inside.MatchString(f.Function) {
			continue
		}
		frames = append(frames, f)
	}
	return frames
}

// measuring says that StackUsed was called: stacks are to be as new for each greenlet.
var measuring atomic.Bool

// StackUsed returns how deep g has used its C stack so far, in bytes, whole pages, some
// of them the runtime's: a guide for WithStackSize.
//
// Greenlets use the same stacks one after the other. From the first call of StackUsed on,
// a stack is cleaned before the next greenlet gets it, which takes some microseconds. A
// greenlet that was started before that may be told of one that had its stack earlier.
//
// It is 0 for a greenlet without a C stack of its own: a root, one that is pending or dead,
// and on the engine of one M (see Runtime) one that was given no size by WithStackSize and
// is not suspended in C, since those share a stack. For one of another thread it is ErrWrongThread or ErrThreadExited.
func (g *Greenlet) StackUsed() (int, error) {
	if !g.valid() {
		return 0, fail("StackUsed", g, errNil, "")
	}
	measuring.Store(true)
	if g.c.isRoot() || g.c.life.Load() != lifeStarted {
		return 0, nil
	}
	if t := g.c.tree.Load(); t != currentTree() {
		return 0, g.misused("StackUsed", t)
	}
	if n := engine.cStack(g.c.coro); n != 0 {
		return stackUsed(n)
	}
	return 0, nil
}
