package greenlet

import (
	"regexp"
	"runtime"
	"sync/atomic"

	"github.com/go-greenlet/greenlet/internal/gort"
	"github.com/go-greenlet/greenlet/internal/layer"
)

// Stack returns the Go frames of a started greenlet, innermost first. Of a suspended one:
// from its pending Switch to its body; of a running one: what its goroutine has now. Where C
// code lies between, or runs, its boundary shows as the frames of runtime.cgocall and of the
// call back into Go.
//
// Any goroutine may call it. A suspended greenlet's takes a microsecond or a few and stops
// nobody. For one that runs Go code on another goroutine the world is stopped, for some tens
// of microseconds.
//
// It is nil for a greenlet that is pending or dead, for one that could not be caught between
// all its switches, and where that cannot be done: on other engines than that of one M (see Runtime), from
// another thread than the greenlet's; and from another thread for one with calls from C that
// carry a context of [runtime.SetCgoTraceback].
func (g *Greenlet) Stack() []runtime.Frame {
	if !g.valid() || g.c.life.Load() != lifeStarted {
		return nil
	}
	stack, _ := g.c.stackNow()
	return stack
}

// stackNow is Stack, and says what the greenlet does if it is the one that runs.
func (c *core) stackNow() (stack []runtime.Frame, doing layer.Doing) {
	t := currentTree()
	if own := t != nil && c.tree.Load() == t; own {
		t.raceRelease()
		if c == t.current.c {
			return callerFrames(2), layer.InGo // without Stack, which has called this
		}
		// On its own thread the greenlet can be asked, on both engines.
		if t.sections == 0 && engine.canSuspend(t.th, t.current.c.coro) == nil {
			t.callOn(c.userRef(), func() { stack = withoutMachinery(callerFrames(1)) })
			return stack, layer.Unknown
		}
	}
	pcs := make([]uintptr, 64)
	for range maxPeeks {
		p, running, steady := c.steadyPeek(pcs)
		if !steady {
			continue
		}
		switch p.State {
		case gort.SnapshotNothing:
			return nil, layer.Unknown
		case gort.SnapshotInC, gort.SnapshotWaiting, gort.SnapshotReady:
			if p.N == len(pcs) {
				pcs = make([]uintptr, 4*len(pcs))
				continue
			}
			stack = bodyFrames(pcs[:p.N])
			if !running {
				stack = withoutMachinery(stack)
			}
			return stack, activities[p.State]
		case gort.SnapshotRunning:
			// A stop of the world takes whoever runs off its processor. It needs a moment to
			// get one again, and until then it waits.
			runtime.ReadMemStats(new(runtime.MemStats))
		default:
			runtime.Gosched()
		}
	}
	return nil, layer.Unknown
}

var activities = [...]layer.Doing{
	gort.SnapshotNothing: layer.Unknown, gort.SnapshotRunning: layer.InGo, gort.SnapshotReady: layer.InGo, gort.SnapshotInC: layer.InC,
	gort.SnapshotWaiting: layer.Blocked, gort.SnapshotBusy: layer.Unknown,
}

// activity is layer.DoingOf.
func (c *core) activity(stack *[]runtime.Frame) layer.Doing {
	if stack == nil {
		return activities[c.peek(nil).State]
	}
	var d layer.Doing
	*stack, d = c.stackNow()
	return d
}

// maxPeeks is how often stackNow tries.
const maxPeeks = 100

// peek is gort.Snapshot of a greenlet that is alive. Any goroutine may call it.
func (c *core) peek(pcs []uintptr) (p gort.Snapshot) {
	t := c.lockTree() // so that it does not end meanwhile, and another one has its goroutine
	defer t.mu.Unlock()
	if c.life.Load() != lifeStarted || c.coro == nil {
		return p
	}
	return c.coro.Snapshot(pcs, t.runs(c))
}

// steadyPeek is peek, and says whether the greenlet was the running one all the time, or was
// not: else it may have been another goroutine that it was on, or a wait of another kind. Whoever
// goes on is the running one before the switch is counted.
func (c *core) steadyPeek(pcs []uintptr) (p gort.Snapshot, running, steady bool) {
	before, running := c.switchCount(), c.tree.Load().runs(c)
	p = c.peek(pcs)
	return p, running, c.switchCount() == before && c.tree.Load().runs(c) == running
}

// callOn has a suspended greenlet of this tree call f, which must not switch, and go on
// waiting: only a goroutine itself can walk its stack, and change its labels.
func (t *tree) callOn(g *Greenlet, f func()) {
	if !t.pin(g.c) {
		return
	}
	from := t.current
	t.inbox = message{kind: kindProbe, value: f, origin: from}
	t.setCurrent(g)
	engine.switchTo(t.th, from.c.coro, g.c.coro)
	t.raceRelease()
}

// answerProbe is what the visited one does. It returns the tree that it is in by then.
func (t *tree) answerProbe(m message) *tree {
	m.value.(func())()
	from := t.current.c
	t.setCurrent(m.origin)
	engine.switchTo(t.th, from.coro, m.origin.c.coro)
	return from.tree.Load()
}

// machinery matches our own machinery under an operation, and what the runtime has on top.
var machinery = regexp.MustCompile(`^(runtime\.|github\.com/go-greenlet/greenlet(/internal/gort\.|\.(\(\*tree\)\.|\w*Engine\.|\(\*Greenlet\)\.(send|transfer|switchSlow)$)))`)

// withoutMachinery is the stack of a suspended greenlet without that.
func withoutMachinery(stack []runtime.Frame) []runtime.Frame {
	for i, f := range stack {
		if !machinery.MatchString(f.Function) {
			return stack[i:]
		}
	}
	return stack
}

// callerFrames are those of the calling goroutine, without this function and the skipped ones
// that have called it.
func callerFrames(skip int) []runtime.Frame {
	skip += 2 // runtime.Callers and this
	pcs := make([]uintptr, 64)
	n := runtime.Callers(skip, pcs)
	for n == len(pcs) {
		pcs = make([]uintptr, 2*len(pcs))
		n = runtime.Callers(skip, pcs)
	}
	return bodyFrames(pcs[:n])
}

// bodyFrames are the frames at those addresses, down to the greenlet's body.
func bodyFrames(pcs []uintptr) (frames []runtime.Frame) {
	const below = "github.com/go-greenlet/greenlet.(*core).execute"
	it := runtime.CallersFrames(pcs)
	for more := len(pcs) > 0; more; {
		var f runtime.Frame
		f, more = it.Next()
		if f.Function == below {
			break
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
		return 0, g.ownershipError("StackUsed", t)
	}
	if n := engine.cStack(g.c.coro); n != 0 {
		return stackUsed(n)
	}
	return 0, nil
}
