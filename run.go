package greenlet

import (
	"errors"
	"runtime"
)

// Run makes the calling goroutine a root, locked to its thread, and calls f with
// it. When f has returned, Run kills the greenlets that still live, the youngest first,
// frees what the tree holds, and unlocks the goroutine. It returns f's error joined with the
// errors of the greenlets that it has killed: the error that one has ended with, a panic as
// *PanicError, or an error that says that one has not ended.
//
// An iter.Pull that was made outside of f must not be used in f, nor the other way round: Go
// ends the process; see [WithoutLock]. An iteration of [Pull] or a [Coroutine] that
// has begun outside of f cannot go on in f, since Run would kill it; nor can one that has begun
// in f go on outside. Both are refused with an error. To stop one is allowed.
//
// If f panics or calls runtime.Goexit, Run does all that first, and then the panic or Goexit
// goes on. If a greenlet that Run has killed calls runtime.Goexit, so does Run. Run in a
// goroutine that is a root or a greenlet already is an error.
func Run(f func(root *Greenlet) error, options ...Option) (err error) {
	if f == nil {
		return &opError{op: "Run", err: errors.New("the function is nil")}
	}
	if currentTree() != nil {
		return fail("Run", nil, errInTree, "Run belongs around everything else; here, just use New and Switch")
	}
	slots, unlocked, err := runOptions(options)
	if err != nil {
		return fail("Run", nil, err, "")
	}
	t, err := newTree(false, unlocked)
	if err != nil {
		return err
	}
	t.slots = slots
	addSlots(t.root.c.coro, slots)
	t.referenceRoot()
	var killed killed
	returned := false
	defer func() {
		t.close(endScope)
		if killed.goexit && returned && !killed.unwound { // else a panic or Goexit is under way
			runtime.Goexit()
		}
	}()
	defer func() {
		if t.sections != 0 { // f has not left them; the greenlets that are killed must be able to switch
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

// WithoutLock is an option of Run, which then does not lock the goroutine to its thread. The
// goroutine is locked only while a greenlet is suspended in C, or has locked its thread, as it
// is outside of a Run; see "Goroutines and threads". The option has no effect if the goroutine
// is locked when Run begins, nor on the portable engine.
//
// A greenlet that is suspended in C at the end of Run, and does not end when it is killed, is
// dead, and its frames are dropped; so Run leaves the goroutine unlocked, as it was before.
func WithoutLock() Option { return func(c *core) { c.makeRare().unlocked = true } }

var errNotRun = errors.New("WithoutLock is an option of Run")

// killed is what killAll reports of the greenlets that it has killed.
type killed struct {
	errs    []error // of those that have ended with an error, or have not ended
	goexit  bool    // one has ended by runtime.Goexit
	unwound bool    // a tracer has panicked or called Goexit, which goes on after killAll
}

// killAll kills the greenlets that live at the end of a Run, the youngest first. One that does
// not end when it is killed is destroyed.
func (t *tree) killAll(k *killed) {
	done := false
	defer func() {
		if !done { // a tracer has panicked, and was removed by that; kill the rest without it
			k.unwound = true
			t.killAll(k)
		}
	}()
	// The deferred calls of a killed greenlet may start others. The limit on tries ends that.
	c := t.youngest()
	for tries := 2*t.liveCount() + 1000; c != nil && tries > 0; tries-- {
		err, goexit := t.kill("the end of Run", c.userRef())
		if err != nil && c.tree.Load() == t { // else it was found unreachable, and endUnreachable has moved it
			k.errs = append(k.errs, err)
		}
		k.goexit = k.goexit || goexit
		if c.life.Load() == lifeStarted && c == t.youngest() && t.pin(c) {
			t.destroy(c) // it was killed and has not ended
		}
		c = t.youngest()
	}
	if c != nil {
		k.errs = append(k.errs, fail("Run", c.userRef(), errLivesOn, "too many greenlets were started by deaths"))
	}
	done = true
}
