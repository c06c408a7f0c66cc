package greenlet

import (
	"errors"
	"runtime"
	"unsafe"
)

// An asymmetric is the state that the two ends of an asymmetric coroutine share: the body,
// which yields, and the caller of next or Resume, called the waiter while it waits. Pull, Pull2
// and Coroutine embed it and add the typed value that passes. It refers to the greenlet's core
// and not to its Greenlet: the body's stack holds it, and the Greenlet, which the functions of
// the other end hold, must become unreachable when the program drops those.
//
// Only the goroutine that runs in the body's tree writes the fields. A goroutine that moves the
// body to its own tree (adopt) reads them, and writes fast, after it has claimed the
// coroutine (gort.Coro.Claim). fast is read without a claim by any goroutine that calls next
// or Resume.
//
// parked is the state of the body:
//
//	parked --- resume, Throw or Kill ---> runs --- yield ---> parked
//
// A body begins parked; that it is dead only core.life says. One that is suspended elsewhere than
// in its yield runs. A resume clears parked before it switches, so the yield that goes on finds
// out by it whether a resume has ended its wait: after a Throw, a Kill and a Switch parked is still
// set. (A resume by SwitchFast leaves that to the body, see takeFastResume.) A parked body that
// sends back a value which is not from a resume (returnStrays) stays parked.
//
// yielded is what has ended the waiter's last wait: a resume clears it, and a yield sets it,
// unless the yield answers a Kill. What the body does until the waiter looks, such as at a tracer's
// Throw, does not change it. stopped is set once, in any state, and never cleared.
type asymmetric struct {
	c       core   // the body's greenlet; embedded, to save an allocation, and the first field, see core.asymmetric
	body    body   // the pull, pull2 or coroutine in which this is embedded; set once
	waiter  waiter // the entry for the caller of next or Resume; waiter.by is nil if none waits
	parked  bool   // the body waits in its yield, or has not begun
	yielded bool   // the waiter's last wait was ended by a yield
	stopped bool   // the end of an iterator was asked for: its yield returns false from now on
	byJump  bool   // next may return by a jump, see gort.Return; set once
	fast    bool   // the body is parked so that SwitchFast may resume it; until it runs
}

// asymmetric returns the asymmetric coroutine whose body c is: isBody is set.
func (c *core) asymmetric() *asymmetric { return (*asymmetric)(unsafe.Pointer(c)) }

// The core is the beginning of the asymmetric, and that of what embeds it: these do not compile otherwise.
var (
	_ [0]byte = [unsafe.Offsetof(asymmetric{}.c)]byte{}
	_ [0]byte = [unsafe.Offsetof(pull[int]{}.asymmetric)]byte{}
	_ [0]byte = [unsafe.Offsetof(pull2[int, int]{}.asymmetric)]byte{}
)

// A body is what Pull, Pull2 and Coroutine add to an asymmetric.
type body interface {
	run() error // calls the user's function; once, on the greenlet
	moved()     // is called after a move to another tree, by the goroutine that has moved it
}

// A fast resume is beginFastResume, SwitchFast, then endFastResume, or undoFastResume if
// SwitchFast has refused. next and Resume have SwitchFast in their own bodies: the processor
// predicts each return between a switch and the user's code wrongly, since the calls were made
// on another stack, so there is to be no function in between.
//
// In a free tree another goroutine may claim the body at the same time, and then SwitchFast
// refuses. So no state of the asymmetric is written before SwitchFast has succeeded: the greenlet
// that resumes is left in the tree (resumer), and the body does the rest in takeFastResume.

// fastTarget returns the tree in which a fast resume may be tried, nil for none, and the body's
// coroutine, or nil. Any goroutine may call it: it must still ask isHere and nothingToDo of the tree.
// The goroutine in whose tree the body is may be ending it, which sets coro to nil (markDead), so
// that is read once; if the coroutine is not suspended in the caller's tree any more, SwitchFast
// refuses. Such reads are races, which the race detector would report, so under it there is no fast
// resume.
func (a *asymmetric) fastTarget() (*tree, coro) {
	if raceEnabled || !a.fast {
		return nil, nil
	}
	return a.c.tree.Load(), a.c.coro
}

// startFast is Greenlet.startFast for next and Resume: it starts the body if that is pending, and makes
// the calling goroutine a root if it is none. Nil: checkResume starts the body, or returns the error.
//
//go:noinline
func (a *asymmetric) startFast(g *Greenlet) (*tree, coro) {
	if raceEnabled || !oneM || g.c.life.Load() != lifePending || g.c.run == nil {
		return nil, nil
	}
	t := treeHere()
	if t == nil {
		if g.owner() != nil {
			return nil, nil
		}
		var err error
		if t, err = privateTree(); err != nil {
			return nil, nil
		}
	}
	to := t.startPlain(g)
	if to == nil {
		t.endOperation()
		return nil, nil
	}
	return t, to
}

// beginFastResume comes before the SwitchFast to the body.
func (a *asymmetric) beginFastResume(t *tree, g *Greenlet) {
	t.resumer = t.current
	t.current.c.waits++
	t.current = g
	g.c.switches++
}

// endFastResume comes after a SwitchFast that was made. It says whether the wait was ended by
// the body's yield and there is nothing else to do; then endResume follows, once the caller has
// read the value that was yielded. False: endNotedResume follows, and if that says false, too,
// finishNext or resumeResult. (They are two so that this one is inlined.)
func (a *asymmetric) endFastResume(t *tree) bool {
	if !a.yielded || a.c.waiter != &a.waiter || !t.gotPlainValue() {
		return false
	}
	a.endFastWait(t)
	return true
}

// endNotedResume is endFastResume for a switch that has to be noted.
//
//go:noinline
func (a *asymmetric) endNotedResume(t *tree) bool {
	if !a.yielded || a.c.waiter != &a.waiter || !t.gotPlainValueNoted() {
		return false
	}
	a.endFastWait(t)
	return true
}

// endFastWait takes out the waiter, which is the only one and goes on. If the body's yield took the long
// way, its Greenlet is not retained.
func (a *asymmetric) endFastWait(t *tree) {
	if t.inbox.origin != nil {
		t.inbox.origin = nil
	}
	a.c.waiter = nil
	t.current.c.waits--
}

// endResume ends a resume: adopt refuses to move the body while waiter.by is set, so from here
// on another goroutine may move it.
func (a *asymmetric) endResume() { a.waiter.by = nil }

// undoFastResume takes beginFastResume back after SwitchFast has refused.
func (a *asymmetric) undoFastResume(t *tree) {
	a.c.switches--
	t.current = t.resumer
	t.current.c.waits--
	t.resumer, t.stopping = nil, false
}

// A fast yield has the same three parts.

// beginFastYield returns the tree, and the waiter's coroutine, to which a yield may try a
// SwitchFast; nil: checkYield and yield are to be called. Another goroutine may move the
// waiter's greenlet at the same time, and there it may end, which sets its coro to nil: so coro
// is read once.
func (a *asymmetric) beginFastYield() (*tree, coro) {
	if raceEnabled {
		return nil, nil
	}
	t, by := a.c.tree.Load(), a.waiter.by
	if t == nil || !t.isHere() || !t.nothingToDo() || t.current.c != &a.c || a.c.waiter != &a.waiter || a.waiter.next != nil {
		return nil, nil
	}
	to := by.c.coro
	if to == nil || !to.Plain() {
		return nil, nil
	}
	a.parked, a.yielded = true, true
	a.fast, t.current = true, by
	by.c.switches++
	return t, to
}

// endFastYield comes after a SwitchFast that was made; t is the tree that the body is in now.
// It says whether the wait was ended by a resume and there is nothing else to do. False:
// endNotedYield follows, and if that says false, too, finishYield or yieldError.
func (a *asymmetric) endFastYield(t *tree) bool {
	a.takeFastResume(t)
	return !a.parked && t.gotPlainValue()
}

// endNotedYield is the last line of endFastYield for a switch that has to be noted.
//
//go:noinline
func (a *asymmetric) endNotedYield(t *tree) bool { return !a.parked && t.gotPlainValueNoted() }

// takeFastResume is called when the body begins, or goes on after a fast yield. If that is by a fast
// resume, it does the part which that has left to it, and returns true.
func (a *asymmetric) takeFastResume(t *tree) bool {
	a.fast = false
	if t.resumer == nil {
		return false
	}
	a.waiter.by = t.resumer
	a.c.waiter = &a.waiter
	if t.stopping {
		a.stopped, t.stopping = true, false
	}
	t.resumer = nil
	a.parked, a.yielded = false, false
	return true
}

// undoFastYield takes beginFastYield back after SwitchFast has refused.
func (a *asymmetric) undoFastYield(t *tree) {
	a.waiter.by.c.switches--
	a.fast, t.current = false, a.c.userRef()
	a.parked, a.yielded = false, false
}

// newGreenlet makes the greenlet of a. pc is the address of the code of the user's function
// that body calls, 0 if that is nil; see place.PC.
func (a *asymmetric) newGreenlet(pc uintptr, body body) *Greenlet {
	c := &a.c
	if pc != 0 {
		c.run = runBody
	}
	c.body, c.isBody = pc, true
	a.body, a.parked = body, true
	c.initPending(nil)
	return &Greenlet{c: c}
}

// runBody is the core.run of an asymmetric's greenlet: not nil, since nil means that there is
// nothing to run. It is never called: core.execute calls body.run in its place.
func runBody(any) (any, error) { panic("greenlet: internal error: not a body") }

// receivePlain empties the inbox and returns true if a value has come and there is nothing else
// to do (tree.slow). The value is not looked at: a resume and a yield pass theirs elsewhere.
func (t *tree) receivePlain() bool {
	if !t.gotPlainValueNoted() {
		return false
	}
	t.inbox.value, t.inbox.origin = nil, nil // not retained
	t.raceRelease()
	return true
}

// resume resumes the body after checkResume, and returns when control comes back. It says
// whether the body has yielded and there is nothing else to do; then endResume is to follow,
// once the caller has read the value. False: resumeResult returns the message that came.
func (a *asymmetric) resume(t *tree, g *Greenlet) bool {
	c := g.c
	a.waiter.by = t.current
	a.waiter.by.c.waits++
	c.push(&a.waiter)
	a.parked, a.yielded = false, false
	t.inbox.kind, t.inbox.value = kindValue, nil
	t = t.switchTo(g)
	if a.yielded && c.waiter == &a.waiter && t.receivePlain() {
		c.waiter, a.waiter.next = a.waiter.next, nil
		t.current.c.waits--
		return true
	}
	return false
}

// resumeResult is the rest of a resume, or a fast one, that has returned false, and after which endedPlainly
// has returned false: it returns the message that came. That may be the body's yield nevertheless; then
// yielded is true, and endResume is to follow. If it is false, another goroutine may go on with the body
// already, so the caller is not to look at a.yielded.
func (a *asymmetric) resumeResult(g *Greenlet) (m message, yielded bool) {
	t := treeHere()
	me, received := t.current.c, false
	defer func() {
		if !received { // a tracer has panicked
			a.endWait(g, me, false)
		}
	}()
	m, t = t.receive()
	received = true
	yielded = a.yielded
	a.endWait(g, me, yielded)
	t.endOperation()
	return m, yielded
}

// endedPlainly comes before resumeResult, and in place of it if the body has ended with a value and there
// is nothing else to do. False: it has done nothing.
func (a *asymmetric) endedPlainly() bool {
	if a.c.life.Load() != lifeDead {
		return false
	}
	me := a.waiter.by.c
	t := me.tree.Load()
	if t.slow&^slowHousekeeping != 0 || t.tracer != nil || t.inbox.kind != kindValue {
		return false
	}
	if t.inbox.origin != nil || t.inbox.value != nil { // which somebody else has sent; the plain end of a body leaves none
		t.inbox = message{} // not retained
	}
	if t.slow != 0 {
		t.housekeep()
	}
	a.c.unlink(&a.waiter)
	me.waits--
	a.endResume()
	t.endOperation()
	return true
}

// endWait takes the waiter me out, for which the wait for g, the body, is over. If the body has not
// yielded, that ends the resume.
func (a *asymmetric) endWait(g *Greenlet, me *core, yielded bool) {
	unlock := g.c.lockIfLeft(me)
	g.c.unlink(&a.waiter)
	me.waits--
	if !yielded {
		a.endResume()
	}
	unlock()
}

// errEnded is checkResume's answer for a body that has ended before. It is not returned to the
// user: next and Resume say ok == false.
var errEnded = errors.New("ended before")

// checkResume makes sure that the calling goroutine may resume the body now: it moves the body
// to the caller's tree if it has to, starts it if it is pending, and pins it. An error means
// that the body was not resumed and its state is as before; errEnded means that it is dead.
func (a *asymmetric) checkResume(g *Greenlet, op string) (*tree, error) {
	if g.c.life.Load() == lifeDead {
		if t := treeHere(); t != nil {
			t.endOperation() // startFast may have made it for a body that another goroutine has taken over at once
		}
		return nil, errEnded
	}
	t, err := g.beginTakeover(op, false)
	if err != nil {
		return nil, err
	}
	if m, came := t.catchUp(); came {
		return nil, t.overtaken(g, op, m)
	}
	err = t.startBody(g)
	switch {
	case err == ErrNoRun:
		err = fail(op, g, err, "it was made with nil in place of one")
	case err != nil:
		err = fail(op, g, err, "")
	case g.c.life.Load() == lifeDead || a.stopped: // by deferred calls that killUnreachable has run
		err = errEnded
	case !t.pin(g.c): // before the next two, which are of no use if another goroutine has taken the body over meanwhile
		err = fail(op, g, ErrWrongThread, "")
	case !a.parked || g.c == t.current.c: // a tracer runs on the body before its yield returns
		err = fail(op, g, errBusy, "")
		t.unpin(g.c)
	case a.awaited():
		err = fail(op, g, errAwaited, "")
		t.unpin(g.c)
	default:
		return t, nil
	}
	t.endOperation()
	return nil, err
}

// startBody starts g, a body, if it is pending. A pending body of no tree may be started, moved
// or killed by another goroutine just now, so it looks again until g is this tree's, or dead.
func (t *tree) startBody(g *Greenlet) error {
	for {
		life := g.c.life.Load() // before the owner: see resolve
		if life == lifeDead {
			return nil
		}
		if err := t.whyNotMine(g); err != nil || life == lifeStarted {
			return err
		}
		if life == lifePending {
			if err := t.start(g, kindValue); err != errLostRace {
				return err
			}
		}
		runtime.Gosched()
	}
}

// overtaken ends an operation on g that was not begun, since killUnreachable has returned m,
// and returns its error. If m is a panic or a Goexit, overtaken does not return.
func (t *tree) overtaken(g *Greenlet, op string, m message) error {
	t.endOperation()
	if _, err := m.open(); err != nil {
		return thrown{Err: err}
	}
	return fail(op, g, errOvertaken, "")
}

// awaited says whether a greenlet still waits in resume although the body is parked: the body
// has answered a Kill by a yield, so it was the Kill that returned. A waiter that has died
// without its resume returning (tree.destroy) is removed.
func (a *asymmetric) awaited() bool {
	by := a.waiter.by
	if by != nil && by.c.life.Load() == lifeDead {
		a.c.remove(&a.waiter)
		return false
	}
	return by != nil
}

// checkYield makes sure that the body may yield now. It returns the tree and the greenlet that
// gets control, pinned: the waiter, or the greenlet that waits in a Kill of the body. An error
// means that nothing was changed, which is why the caller stores the value after this.
func (a *asymmetric) checkYield(op string) (t *tree, to *Greenlet, err error) {
	t = treeHere()
	if t == nil || t.current.c != &a.c || t.sections != 0 {
		return nil, nil, a.cannotYield(op, t)
	}
	if to = a.c.awaited(); to == nil {
		return nil, nil, fail(op, nil, errNobody, "")
	}
	if to.c.tree.Load() != t {
		return nil, nil, fail(op, to, ErrWrongThread, "it waited for this one, which was moved away")
	}
	if err := engine.canSuspend(t.th, t.current.c.coro); err != nil {
		return nil, nil, fail(op, nil, err, "")
	}
	if !t.pin(to.c) {
		return nil, nil, fail(op, to, ErrWrongThread, "it waited for this one, and was moved away")
	}
	return t, to, nil
}

// cannotYield is the error of checkYield in t, which may be nil, where the body does not run or
// is in a section.
func (a *asymmetric) cannotYield(op string, t *tree) error {
	if t != nil && t.current.c == &a.c {
		return fail(op, nil, errSection, "leave it first")
	}
	return fail(op, nil, errors.New("the yield of a coroutine was called outside of its body"), "")
}

// yield passes control to to, after checkYield, and returns when the body goes on. It says
// whether the wait was ended by a resume and there is nothing else to do. False: finishYield or
// yieldError follows. The body calls it.
func (a *asymmetric) yield(t *tree, to *Greenlet) (resumed bool) {
	a.parked, a.yielded = true, a.c.waiter == &a.waiter
	t.inbox.kind, t.inbox.value = kindValue, nil
	t = t.switchTo(to)
	return !a.parked && t.receivePlain()
}

// yieldResult is the rest of a yield that has returned false: it puts the message that came
// into came. That is a resume, or no value: other values are sent back. (It takes a pointer to
// keep the frames under a body small; see worker.run.)
func (a *asymmetric) yieldResult(came *message) {
	t := treeHere()
	t.receiveInto(came)
	if a.parked && came.kind == kindValue {
		a.returnStrays(came)
	}
	a.parked = false
}

// receiveInto is receive with the result in *m, so that the caller's frame has room for one
// message and not for two.
//
//go:noinline
func (t *tree) receiveInto(m *message) { *m, _ = t.receive() }

// returnStrays sends back values that do not come from a resume, until another message comes,
// which it leaves in m. A yield has no way to return such a value.
//
//go:noinline
func (a *asymmetric) returnStrays(m *message) {
	t := currentTree()
	for a.parked && m.kind == kindValue {
		// Either another greenlet has called Switch on the body's Greenlet: then that Switch
		// returns the error. Or a child has ended, whose result cannot be delivered: then the
		// sender is dead, and the error goes to the body's own heir.
		to, refusal := m.origin, message{kind: kindError, err: fail("Switch", t.current, errNotYours, "")}
		if to.Dead() || !t.pin(to.c) {
			to, refusal = t.deliver(t.current, refusal)
		}
		*m, t = t.exchange(to, refusal)
	}
}

// yieldError is the rest of a Coroutine's yield that has returned false: nil after a resume,
// else the error of the message. A panic or Goexit goes on in the body.
//
//go:noinline
func (a *asymmetric) yieldError() error {
	var m message
	a.yieldResult(&m)
	_, err := m.open()
	return err
}

// next is an iterator's next but for the value, and says whether there is one. It panics with
// an error, since an iterator's next has no result for it.
func (a *asymmetric) next(g *Greenlet, op string) bool {
	t, err := a.checkResume(g, op)
	if err == errEnded {
		return false
	}
	if err != nil {
		panic(err)
	}
	return a.resume(t, g) || a.finishNext(g, op)
}

// finishNext is the rest of a next whose resume, or fast resume, has returned false.
func (a *asymmetric) finishNext(g *Greenlet, op string) bool {
	if a.endedPlainly() {
		return false
	}
	m, yielded := a.resumeResult(g)
	if yielded {
		return true
	}
	switch m.kind {
	case kindPanic:
		panic(m.err.(*PanicError).Value) // as iter.Pull does
	case kindGoexit:
		runtime.Goexit()
	case kindError:
		panic(thrown{Err: m.err})
	}
	if g.c.life.Load() != lifeDead {
		panic(fail(op, g, errInterrupted, ""))
	}
	return false
}

// yieldRefused is what an iterator's yield does with an error of checkYield: it panics. It
// returns only if the iterator is dead, and then yield is to return false.
func (a *asymmetric) yieldRefused(err error) {
	switch {
	case a.c.life.Load() == lifeDead:
	case errors.Is(err, errNobody):
		panic(thrown{Err: err})
	default:
		panic(err)
	}
}

// finishYield is the rest of an iterator's yield that has returned false. After it, yield
// returns !stopped.
func (a *asymmetric) finishYield() {
	var m message
	a.yieldResult(&m)
	switch {
	case m.kind == kindError && isExit(m.err):
		a.stopped = true // killed: end the loop as stop does
	case m.kind == kindError:
		panic(thrown{Err: m.err})
	default:
		_, _ = m.open()
	}
}
