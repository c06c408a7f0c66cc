/*
Package greenlet gives Go coroutines with native stacks: Python's greenlets.

A [Greenlet] is a function that runs on a stack of its own and can stop anywhere,
at any depth of calls, through Go and C frames alike, to let another one go on.
There is no scheduler: exactly one greenlet of a tree runs, and it says who is
next.

	err := greenlet.Run(func(root *greenlet.Greenlet) error {
		var a, b *greenlet.Greenlet
		a = greenlet.New(func(any) (any, error) {
			fmt.Println(12)
			b.MustSwitch(nil)
			fmt.Println(34)
			return nil, nil // a is dead; its parent, the root, goes on
		})
		b = greenlet.New(func(any) (any, error) {
			fmt.Println(56)
			a.MustSwitch(nil)
			fmt.Println(78) // never printed: nobody switches back
			return nil, nil
		})
		_, err := a.Switch(nil) // prints 12 56 34
		return err              // Run kills b: its MustSwitch does not return
	})

Read it along with the control: the root switches to a, which starts; a switches to
b, which starts; b switches to a, whose MustSwitch returns; a ends, and its parent, the
root, goes on, since the result of a greenlet is a switch to its parent. Nothing ran at
the same time as anything else, and every pause was in the middle of a function.

# Where to begin

  - A function that calls back, as an iterator: [Pull], and [PullContext] where a
    context ends it. This is all that many programs need.
  - A partner that gets a value and answers with one: [Coroutine].
  - Functions that pass control among each other as they like: [New] and
    [Greenlet.Switch], in a [Run].
  - Many that wait for each other, for the time or for the network: package tasklet, a
    scheduler with channels.
  - A body in C, or calls from C: [NewC], and csrc/greenlet.h.

# When to use it, and when not

Use [iter.Pull] to turn a Go iterator around, and goroutines with channels for
nearly everything else: they are portable, preemptive and use all processors.

Use this package where those cannot go: when the function to be suspended is a C
function that calls back (iter.Pull ends the process there); when many coroutines
must run on one and the same thread, in an order that the program decides; when
control passes between equals rather than up and down; and when coroutine code in
C is to live in a Go program.

# Switching

[Greenlet.Switch] passes control to a greenlet with a value. What happens depends
on the target:

  - pending (made by [New], not started): it starts, with the value as its
    argument;
  - suspended: its own Switch, in which it waits, returns the value;
  - dead: its parent is meant, and so on up;
  - the current one: Switch returns the value at once.

[Greenlet.Throw] does the same with an error: the target's Switch returns it. A
pending target dies of it without running.

Nothing unwinds a greenlet but itself. A body that is killed sees its Switch return
[ErrExit], and is to return that: a Switch whose error is ignored outlives its Kill,
and the end of its Run. [Greenlet.MustSwitch] returns the value only: an error unwinds
the caller, whose deferred calls run, and which ends with the error as if its body had
returned it. Functions that C calls need the form with the error, to tell C to stop;
and they must go on returning the error at every further call that C makes until it
has returned.

So a body takes one of two forms:

	worker := func(v any) (any, error) {
		f, err := os.Open(v.(string))
		if err != nil {
			return nil, err // comes out of the parent's Switch
		}
		defer f.Close() // runs in any case
		for line := bufio.NewScanner(f); line.Scan(); {
			if _, err := greenlet.Current().Parent().Switch(line.Text()); err != nil {
				return nil, err // killed, or thrown at: to be passed on
			}
		}
		return "end of file", nil
	}
	shorter := func(v any) (any, error) {
		for {
			v = greenlet.Current().Parent().MustSwitch(v) // does not return when there is an error
		}
	}

# Parents

Every greenlet has a parent: the one that made it, unless [WithParent] or
[Greenlet.SetParent] say otherwise. When the body is done, the parent gets what it
returned, as if by a Switch: (v, nil) as a value; (_, err) as an error; a panic as
a panic with a [*PanicError]; a [runtime.Goexit] as a Goexit. So t.FailNow works in
a greenlet. A parent that has not started yet is started by a value, and dies by
the others.

[ErrExit] is different: a greenlet that ends by it has not failed, and its parent
gets the error as a value. It is what [Greenlet.Kill] throws. Another error that is
joined with it, such as that of a deferred Close, makes the end a failure.

At the top of the tree is the root: the goroutine's own stack. It has no parent.

# Goroutines and threads

Greenlets belong to the goroutine that runs them. The goroutine that first switches to
one becomes a root; all greenlets under it run in its place, one at a time, so they need
no locks among themselves. To use one that was started from another goroutine is
[ErrWrongThread], before anything is touched. Other goroutines go on as usual; a call
that blocks in a greenlet stops the greenlets of its goroutine and nothing else.

While one of them is suspended in C, or has called [runtime.LockOSThread], the goroutine
is locked to its thread, as by LockOSThread, and so are all its greenlets; not longer.
Otherwise no thread is held: goroutines with suspended greenlets take no more threads
than others.

[Run] is the tidy form: a scope that makes the calling goroutine a root, and at
its end kills what is left and gives everything back. It locks the goroutine to its
thread from the start, as user interfaces, OpenGL, and C code that keeps something for
its thread ask for. A root in a goroutine that is locked already, or in a call from C, is
like that, too. Without Run, a root that nobody has asked for (with [Current],
[Greenlet.Parent] or a tracer) goes away with its last greenlet, so that a [Pull] in some
handler leaves no trace; one that has been asked for lasts as long as its goroutine.

A pending greenlet can be moved to another goroutine's tree with SetParent. What Pull and
[NewCoroutine] make goes wherever its next, stop or Resume is called: by any goroutine,
one at a time, with all greenlets that its body has made; but not while it is suspended in
C, nor out of a Run, which are ErrWrongThread.

An [iter.Pull] beside greenlets works as ever, but for one thing: Go ends the process if a
goroutine is locked to its thread in another way when it is used than when it was made. So
none must be made before a Run and used in it, nor before a greenlet of the same goroutine is
suspended in C and used while it is, nor the other way round. [Pull] in its place is
the remedy.

On the portable engine (see [Runtime]) every root is locked to its thread, as in a Run.

# Ends

A greenlet ends when its body returns, when it is killed, or when its Run ends. A
suspended greenlet that nobody refers to any more is found by the garbage
collector some time, and killed: by a goroutine of this package's own, soon after that; or,
if it is suspended in C or is of a Run, at the next call of this package on its own
goroutine, before that call does anything else. That is a backstop: end them yourself.
[SetUnraisableHook] says more.

When a goroutine ends that is a root, what it leaves suspended is killed in the same way
after the next collection, with its deferred calls, but for what any goroutine may go on
with (that of a Pull or Coroutine). What is suspended in C, or of a thread that ends, is dead,
and its deferred calls do not run. The process may exit at any time.

# Iterators and typed coroutines

[Pull] and [Pull2] are iter.Pull for iterators that run through C frames, and
[PullContext] and [Pull2Context] those that a context ends.
[Coroutine] is an asymmetric coroutine with typed values in both directions. All
pass values without an allocation.

# What it relies on

A greenlet is a goroutine on the OS thread that its root runs on, switched without Go's
scheduler, and has a C stack of its own while C code is suspended on it. For that the
library knows where the runtime keeps some fields, and checks them before the first
switch. None of that is promised by Go; internal/gort names the fields and functions of
the runtime that matter, and the tests run on every Go version that is supported: 1.24
to 1.27, on Linux, on amd64 and arm64.

Elsewhere, and where a check fails, there is a portable engine, which knows nothing of the
runtime's structs: each greenlet is, to the runtime, a C thread of its own that called Go.
The rules are the same, but that roots are locked to their threads. [Runtime] says which engine is in use and what the portable
one cannot do: above all, what is given up stays in memory, and execution traces cannot be
read.

Without cgo, and on other systems than Linux, greenlets are coroutines of the runtime's own,
on every CPU: all rules hold, and only a switch in a function that C calls back is an error.

# Glossary

  - body: the function that a greenlet runs.
  - root: a goroutine's own stack, as a greenlet. It has no body and no parent.
  - tree: a root and all greenlets under it, of which one runs at a time.
  - parent: who gets control, with the result, when a greenlet ends.
  - pending: made, and not started. It has no stack yet.
  - suspended: started, and waiting in a Switch, a Throw, a yield, a next or a Resume.
  - dead: ended, or its thread or its Run is over. A switch to it means its parent.
  - forgotten: suspended, and nobody has a reference to it: the collector finds it.
  - to throw: to have the Switch in which a greenlet waits return an error. To kill: to
    throw ErrExit, and to come back.
  - C stack: where the C functions run that a greenlet has called.
  - section: C code during which nobody may pass control.
  - engine: what switches stacks below these rules; [Runtime] names it.
  - G, M, P: the Go runtime's records of a goroutine, of an OS thread, and of the right to
    run Go code, which a thread needs. g0 is the goroutine of a thread's own, on whose
    stack the runtime, and C, run.

The rules are those of greenlet for Python,
https://greenlet.readthedocs.io, said in Go's terms.
*/
package greenlet
