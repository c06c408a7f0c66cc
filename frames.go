package greenlet

import (
	"regexp"
	"runtime"
	"sync/atomic"

	"github.com/go-greenlet/greenlet/internal/gort"
	"github.com/go-greenlet/greenlet/internal/layer"
)

// Stack returns the Go frames of a started greenlet, innermost first. Of a suspended one they
// are those from its pending Switch to its body; of a running one, those that its goroutine has
// at the time. Where C code lies between, or runs, its boundary shows as the frames of
// runtime.cgocall and of the call back into Go.
//
// Any goroutine may call it. For a suspended greenlet it takes a microsecond or a few and stops
// no other goroutine. For one that runs Go code on another goroutine the world is stopped, for
// some tens of microseconds.
//
// It is nil for a greenlet that is pending or dead, and for one that switches so often that no
// moment between two switches was found. Called from another thread than the greenlet's it is nil
// on other engines than that of one M (see Runtime), and for a greenlet with calls from C that
// carry a context of [runtime.SetCgoTraceback].
func (g *Greenlet) Stack() []runtime.Frame {
	if !g.valid() || g.c.life.Load() != lifeStarted {
		return nil
	}
	stack, _ := g.c.stackNow()
	return stack
}

// stackNow is Stack for a core, and says what the greenlet does if it is the running one.
func (c *core) stackNow() (stack []runtime.Frame, doing layer.Doing) {
	t := currentTree()
	if own := t != nil && c.tree.Load() == t; own {
		t.raceRelease()
		if c == t.current.c {
			return callerFrames(2), layer.InGo // without the frames of stackNow and of Stack, its caller
		}
		// On its own goroutine the suspended greenlet can walk its stack itself, on every engine.
		if t.sections == 0 && engine.canSuspend(t.th, t.current.c.coro) == nil {
			t.callOn(c.userRef(), func() { stack = withoutMachinery(callerFrames(1)) })
			return stack, layer.Unknown
		}
	}
	pcs := make([]uintptr, 64)
	for range maxPeeks {
		snapshot, running, steady := c.steadyPeek(pcs)
		if !steady {
			continue
		}
		switch snapshot.State {
		case gort.SnapshotNothing:
			return nil, layer.Unknown
		case gort.SnapshotInC, gort.SnapshotWaiting, gort.SnapshotReady:
			if snapshot.N == len(pcs) {
				pcs = make([]uintptr, 4*len(pcs))
				continue
			}
			stack = bodyFrames(pcs[:snapshot.N])
			if !running {
				stack = withoutMachinery(stack)
			}
			return stack, activities[snapshot.State]
		case gort.SnapshotRunning:
			// ReadMemStats stops the world, which takes the goroutine off its processor. Until it
			// has one again, which takes a moment, it waits, and its stack can be walked.
			runtime.ReadMemStats(new(runtime.MemStats))
		default:
			runtime.Gosched()
		}
	}
	return nil, layer.Unknown
}

// activities says what a running greenlet does whose snapshot has that state.
var activities = [...]layer.Doing{
	gort.SnapshotNothing: layer.Unknown, gort.SnapshotRunning: layer.InGo, gort.SnapshotReady: layer.InGo, gort.SnapshotInC: layer.InC,
	gort.SnapshotWaiting: layer.Blocked, gort.SnapshotBusy: layer.Unknown,
}

// activity is layer.DoingOf.
func (c *core) activity(stack *[]runtime.Frame) layer.Doing {
	if stack == nil {
		return activities[c.peek(nil).State]
	}
	var doing layer.Doing
	*stack, doing = c.stackNow()
	return doing
}

// maxPeeks is how often stackNow and info try to find a greenlet between two switches.
const maxPeeks = 100

// peek is gort.Coro.Snapshot of a greenlet; its State is SnapshotNothing if c does not live. Any
// goroutine may call it.
func (c *core) peek(pcs []uintptr) (snapshot gort.Snapshot) {
	t := c.lockTree() // under mu c does not end, so its goroutine is not another greenlet's meanwhile
	defer t.mu.Unlock()
	if c.life.Load() != lifeStarted || c.coro == nil {
		return snapshot
	}
	return c.coro.Snapshot(pcs, t.runs(c))
}

// steadyPeek is peek, and says whether the greenlet was the running one, and whether it was
// switched neither to nor from during the peek. If it was, the snapshot may be of another
// goroutine than that of the greenlet. A switch to c changes tree.current first and the number of
// switches second, so one that is made during the peek shows in one of the two.
func (c *core) steadyPeek(pcs []uintptr) (snapshot gort.Snapshot, running, steady bool) {
	before, running := c.switchCount(), c.tree.Load().runs(c)
	snapshot = c.peek(pcs)
	return snapshot, running, c.switchCount() == before && c.tree.Load().runs(c) == running
}

// callOn has the suspended greenlet g of this tree call f and be suspended again, since only the
// goroutine itself can change its labels, and on most engines walk its stack. f must not switch.
func (t *tree) callOn(g *Greenlet, f func()) {
	if !t.pin(g.c) {
		return
	}
	from := t.current
	t.prober.Store(from.c)
	t.inbox = message{kind: kindProbe, value: f, origin: from}
	t.setCurrent(g)
	engine.switchTo(t.th, from.c.coro, g.c.coro)
	t.raceRelease()
}

// answerProbe calls the function that callOn has sent, on the greenlet that it was sent to, and
// switches back. When the greenlet is resumed, answerProbe returns the tree that it is in then.
func (t *tree) answerProbe(m message) *tree {
	m.value.(func())()
	from := t.current.c
	t.setCurrent(m.origin)
	t.prober.Store(nil)
	engine.switchTo(t.th, from.coro, m.origin.c.coro)
	return from.tree.Load()
}

// machinery matches the functions of this package below an operation, and those of the runtime.
var machinery = regexp.MustCompile(`^(runtime\.|github\.com/go-greenlet/greenlet(/internal/gort\.|\.(\(\*tree\)\.|\w*Engine\.|\(\*Greenlet\)\.(send|transfer|switchSlow)$)))`)

// withoutMachinery returns the stack of a suspended greenlet without the innermost frames that
// machinery matches.
func withoutMachinery(stack []runtime.Frame) []runtime.Frame {
	for i, f := range stack {
		if !machinery.MatchString(f.Function) {
			return stack[i:]
		}
	}
	return stack
}

// callerFrames returns the frames of the calling goroutine, without callerFrames and the
// innermost skip ones of its callers.
func callerFrames(skip int) []runtime.Frame {
	skip += 2 // runtime.Callers and callerFrames
	pcs := make([]uintptr, 64)
	n := runtime.Callers(skip, pcs)
	for n == len(pcs) {
		pcs = make([]uintptr, 2*len(pcs))
		n = runtime.Callers(skip, pcs)
	}
	return bodyFrames(pcs[:n])
}

// bodyFrames returns the frames at these addresses, down to the greenlet's body.
func bodyFrames(pcs []uintptr) (frames []runtime.Frame) {
	const below = "github.com/go-greenlet/greenlet.(*core).execute"
	iterator := runtime.CallersFrames(pcs)
	for more := len(pcs) > 0; more; {
		var f runtime.Frame
		f, more = iterator.Next()
		if f.Function == below {
			break
		}
		frames = append(frames, f)
	}
	return frames
}

// measuring says that StackUsed was called, so the pool has to clean a stack before its next
// use. It is never cleared; any goroutine reads and sets it.
var measuring atomic.Bool

// StackUsed returns how deep g has used its C stack so far, in bytes. It counts whole pages, and
// some of them are the runtime's own. It is a guide for WithStackSize.
//
// Greenlets use the same stacks one after the other. From the first call of StackUsed on,
// a stack is cleaned before the next greenlet gets it, which takes some microseconds. For a
// greenlet that was started before that, the result may count what another one has used on the
// same stack earlier.
//
// It is 0 for a greenlet without a C stack of its own: a root, one that is pending or dead,
// and on the engine of one M (see Runtime) one that was given no size by WithStackSize and
// is not suspended in C, since those share a stack. For a greenlet of another thread the error
// is ErrWrongThread or ErrThreadExited.
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
	if stack := engine.cStack(g.c.coro); stack != 0 {
		return stackUsed(stack)
	}
	return 0, nil
}
