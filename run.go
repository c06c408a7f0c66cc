package greenlet

import (
	"errors"
	"runtime"
)

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
	t.slots = words
	addSlots(t.root.c.coro, words)
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
func WithoutLock() Option { return func(c *core) { c.makeRare().unlocked = true } }

var errNotRun = errors.New("WithoutLock is an option of Run")

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
	for tries := 2*t.liveCount() + 1000; c != nil && tries > 0; tries-- {
		err, goexit := t.kill("the end of Run", c.userRef())
		if err != nil && c.tree.Load() == t { // else it was forgotten, and ends elsewhere
			k.errs = append(k.errs, err)
		}
		k.goexit = k.goexit || goexit
		if c.life.Load() == lifeStarted && c == t.youngest() && t.pin(c) {
			t.destroy(c) // it had its chance
		}
		c = t.youngest()
	}
	if c != nil {
		k.errs = append(k.errs, fail("Run", c.userRef(), errLivesOn, "too many greenlets were started by deaths"))
	}
	done = true
}
