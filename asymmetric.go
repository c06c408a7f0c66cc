package greenlet

import (
	"errors"
	"runtime"
)

// A asymmetric is what the two ends of an asymmetric coroutine share: Pull, Pull2 and
// Coroutine add the typed value that is handed over. It refers to the greenlet's
// core only, since the body holds it; the Greenlet is held by the other end.
type asymmetric struct {
	c       core   // here, so that there is one object less to be made
	body    body   // the object that this is in
	waiter  waiter // the one that has called resume, until that returns
	parked  bool   // the body waits in yield, or has not begun
	resumed bool   // the body's wait in yield was ended by resume
	yielded bool   // the waiter's wait in resume was ended by yield
	stopped bool   // an iterator's end was asked for: its yield returns false from now on
	t       *tree  // since it was resumed for the first time
	fastOn  *tree  // t while nothing but Cross is needed to resume the body: it is parked
}

// A body is what Pull, Pull2 and Coroutine add to a hand.
type body interface {
	run() error // in the greenlet, once
	moved()     // it has been moved to another tree
}

// The next three are what a next or Resume does where ready says that a Cross will do, in
// one function with the Cross: every return between a switch and the user's code is one
// that the processor predicts wrongly, since the other end got there another way.
//
// In a free tree another goroutine may be taking the body away at the same time, and then
// the Cross is refused. So nothing of the hand is written before it: who resumes is left in
// the tree, and the body does the rest, in left.

// fastTree is ready for any goroutine that calls; see Switch.
func (h *asymmetric) fastTree() *tree {
	if raceEnabled {
		return nil
	}
	return h.fastOn
}

// beginFastResume comes before the Cross to the body.
func (h *asymmetric) beginFastResume(t *tree, g *Greenlet) {
	t.resumed, t.resumer = h, t.current
	t.current = g
	g.c.switches++
}

// endFastResume comes after it, and says whether the body has yielded, and nothing else has
// come. release is to follow, when the value has been taken.
func (h *asymmetric) endFastResume(t *tree) bool {
	if !h.yielded || h.c.waiter != &h.waiter || !t.gotPlainValueNoted() {
		return false
	}
	h.c.waiter = nil
	return true
}

// endResume ends a resume: from here on another goroutine may take the body away.
func (h *asymmetric) endResume() { h.waiter.by = nil }

// undoFastResume comes after one that was refused.
func (h *asymmetric) undoFastResume(t *tree) {
	h.c.switches--
	t.current = t.resumer
	t.resumed, t.resumer = nil, nil
}

// The same three for yield.

// beginFastYield says to whom a yield can go by a Cross, and in which tree; nil: it has to take the
// long way. (Whoever waits may be taken away just now, and end elsewhere, so its coro is
// read once. The same goes for the body, where next and Resume read its coro.)
func (h *asymmetric) beginFastYield() (*tree, coro) {
	if raceEnabled {
		return nil, nil
	}
	t, by := h.t, h.waiter.by
	if t == nil || !t.isHereAndIdle() || t.current.c != &h.c || h.c.waiter != &h.waiter || h.waiter.next != nil {
		return nil, nil
	}
	to := by.c.coro
	if to == nil || !to.Plain() {
		return nil, nil
	}
	h.parked, h.resumed, h.yielded = true, false, true
	h.fastOn, t.current = t, by
	by.c.switches++
	return t, to
}

// endFastYield says whether a resume has ended the wait, and nothing else has come.
func (h *asymmetric) endFastYield(t *tree) bool {
	h.fastOn = nil
	if t.resumed == h { // by a Cross
		h.waiter.by = t.resumer
		h.c.waiter = &h.waiter
		t.resumed, t.resumer = nil, nil
		h.resumed, h.yielded = true, false
	}
	if !h.resumed || !t.gotPlainValueNoted() {
		return false
	}
	h.parked = false
	return true
}

// undoFastYield comes after a Cross that was refused.
func (h *asymmetric) undoFastYield(t *tree) {
	h.waiter.by.c.switches--
	h.fastOn, t.current = nil, h.c.userRef()
	h.parked, h.resumed, h.yielded = false, true, false
}

// newGreenlet makes the coroutine of h. pc is the code of the function of the user's that
// body calls, 0 if that is nil; see place.PC.
func (h *asymmetric) newGreenlet(pc uintptr, body body) *Greenlet {
	c := &h.c
	if pc != 0 {
		c.run = runBody
	}
	c.body, c.asym = pc, h
	h.body, h.parked = body, true
	c.initPending(nil)
	return &Greenlet{c: c}
}

// runBody stands for the body of a hand, which execute calls.
func runBody(any) (any, error) { panic("greenlet: internal error: not a body") }

// receivePlain takes a plain value's message out of the inbox, if that is all that came.
func (t *tree) receivePlain() bool {
	if !t.gotPlainValueNoted() {
		return false
	}
	t.inbox.value, t.inbox.origin = nil, nil // not retained
	t.raceRelease()
	return true
}

// resume lets the body go on, after prepare, until it yields, and says whether it
// has, and nothing else has come. If not, back tells what. A body that has yielded
// has sent a plain message, which is not looked at.
func (h *asymmetric) resume(t *tree, g *Greenlet) bool {
	c := g.c
	h.t = t
	h.waiter.by = t.current
	c.push(&h.waiter)
	h.parked, h.resumed, h.yielded = false, true, false
	t.inbox.kind, t.inbox.value = kindValue, nil
	t = t.switchTo(g)
	if h.yielded && c.waiter == &h.waiter && t.receivePlain() {
		c.waiter, h.waiter.next = h.waiter.next, nil
		return true // and release is to follow
	}
	return false
}

// resumeResult is the rest of a resume that was not plain: it returns what came. It may
// be a yield all the same; h.yielded says so.
func (h *asymmetric) resumeResult(g *Greenlet) message {
	defer g.c.remove(&h.waiter) // a tracer may unwind us
	m, t := currentTree().receive()
	t.endOperation()
	return m
}

// errEnded is no failure.
var errEnded = errors.New("ended before")

// checkResume makes sure that the body may be resumed now, from here, and is ready to go on.
// The error says why not, and nothing was touched; it is errEnded when the body has ended
// before.
func (h *asymmetric) checkResume(g *Greenlet, op string) (*tree, error) {
	if g.c.life.Load() == lifeDead {
		return nil, errEnded
	}
	t, err := g.beginTakeover(op, false)
	if err != nil {
		return nil, err
	}
	if m, came := t.killUnreachable(); came {
		return nil, t.overtaken(g, op, m)
	}
	// Until it is started and ours, it may be another thread that starts it.
	if life := g.c.life.Load(); life != lifeDead && (life != lifeStarted || g.c.tree.Load() != t) {
		_, _, err = t.resolve(g, message{kind: kindValue})
	}
	switch {
	case err == ErrNoRun:
		err = fail(op, g, err, "it was made with nil in place of one")
	case err != nil:
		err = fail(op, g, err, "")
	case g.c.life.Load() == lifeDead || h.stopped: // of what reap has let run
		err = errEnded
	case !h.parked || g.c == t.current.c: // a tracer can run on one that is parked
		err = fail(op, g, errBusy, "")
	case h.awaited():
		err = fail(op, g, errAwaited, "")
	case !t.pin(g.c):
		err = fail(op, g, ErrWrongThread, "")
	default:
		return t, nil
	}
	t.endOperation()
	return nil, err
}

// overtaken is the error of an operation on g that was not begun, since m came before it.
func (t *tree) overtaken(g *Greenlet, op string, m message) error {
	t.endOperation()
	if _, err := m.open(); err != nil {
		return thrown{Err: err}
	}
	return fail(op, g, errOvertaken, "")
}

// awaited says whether somebody still waits in resume although the body is parked: the
// body has answered a Kill by yielding, so it was Kill that returned.
func (h *asymmetric) awaited() bool {
	by := h.waiter.by
	if by != nil && by.c.life.Load() == lifeDead {
		h.c.remove(&h.waiter)
		return false
	}
	return by != nil
}

// checkYield makes sure that the body may yield now, and says to whom: the waiter, or one
// that kills the body. The error says why not, and nothing was touched, which is why this
// comes before the value is handed over.
func (h *asymmetric) checkYield(op string) (t *tree, to *Greenlet, err error) {
	t = currentTree()
	if t == nil || t.current.c != &h.c || t.sections != 0 {
		return nil, nil, h.cannotYield(op, t)
	}
	if to = h.c.awaited(); to == nil {
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

func (h *asymmetric) cannotYield(op string, t *tree) error {
	if t != nil && t.current.c == &h.c {
		return fail(op, nil, errSection, "leave it first")
	}
	return fail(op, nil, errors.New("the yield of a coroutine was called outside of its body"), "")
}

// yield passes control on, after an offer, and says whether a resume has ended the wait,
// and nothing else has come. If not, sent tells what came. It is called by the body.
func (h *asymmetric) yield(t *tree, to *Greenlet) (resumed bool) {
	h.parked, h.resumed, h.yielded = true, false, h.c.waiter == &h.waiter
	t.inbox.kind, t.inbox.value = kindValue, nil
	t = t.switchTo(to)
	if h.resumed && t.receivePlain() {
		h.parked = false
		return true
	}
	return false
}

// yieldResult is the rest of a yield that was not plain: it puts into came what did, which is no
// value but that of a resume. (It is under a body; see worker.run.)
func (h *asymmetric) yieldResult(came *message) {
	t := currentTree()
	t.receiveInto(came)
	if !h.resumed && came.kind == kindValue {
		h.returnStrays(came)
	}
	h.parked = false
}

// receiveInto is take, but that the caller has one message and not two.
//
//go:noinline
func (t *tree) receiveInto(m *message) { *m, _ = t.receive() }

// returnStrays refuses what nobody is to send, until something else comes.
//
//go:noinline
func (h *asymmetric) returnStrays(m *message) {
	t := currentTree()
	for !h.resumed && m.kind == kindValue {
		// A Switch of somebody who holds our Greenlet: sent back. It may be a child's
		// result instead: that cannot be delivered, which our heir is to know.
		to, refusal := m.origin, message{kind: kindError, err: fail("Switch", t.current, errNotYours, "")}
		if to.Dead() || !t.pin(to.c) {
			to, refusal = t.deliver(t.current, refusal)
		}
		*m, t = t.exchange(to, refusal)
	}
}

// yieldError is sent for a yield that has an error to return.
//
//go:noinline
func (h *asymmetric) yieldError() error {
	var m message
	h.yieldResult(&m)
	_, err := m.open()
	return err
}

// next is an iterator's next but for the value. It says whether there is one. What
// cannot be returned, it panics with.
func (h *asymmetric) next(g *Greenlet, op string) bool {
	t, err := h.checkResume(g, op)
	if err == errEnded {
		return false
	}
	if err != nil {
		panic(err)
	}
	return h.resume(t, g) || h.finishNext(g, op)
}

// finishNext is the rest of a next whose resume was not plain.
func (h *asymmetric) finishNext(g *Greenlet, op string) bool {
	m := h.resumeResult(g)
	if h.yielded {
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

// yieldRefused is what an iterator's yield does with the error of an offer. It returns after
// the end only, when yield is to return false.
func (h *asymmetric) yieldRefused(err error) {
	switch {
	case h.c.life.Load() == lifeDead:
	case errors.Is(err, errNobody):
		panic(thrown{Err: err})
	default:
		panic(err)
	}
}

// finishYield is the rest of an iterator's yield that was not plain.
func (h *asymmetric) finishYield() {
	var m message
	h.yieldResult(&m)
	switch {
	case m.kind == kindError && isExit(m.err):
		h.stopped = true // killed: end the loop as stop does
	case m.kind == kindError:
		panic(thrown{Err: m.err})
	default:
		_, _ = m.open()
	}
}
