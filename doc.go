/*
Package greenlet gives Go coroutines with native stacks: Python's greenlets.

A [Greenlet] is a function that runs on a stack of its own. It can be suspended
anywhere, at any depth of Go and C calls, when it switches to another one, and it
is resumed there when something switches back. There is no scheduler: exactly one
greenlet of a tree runs, and it says which one is next.

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

The steps are these: the root switches to a, which starts; a switches to b, which
starts; b switches to a, whose MustSwitch returns; a ends, and its parent, the root,
goes on, since a greenlet that ends passes its result to its parent. Nothing ran at the
same time as anything else, and a and b were suspended in the middle of a function.

# Where to begin

  - A function that calls back, as an iterator: [Pull], and [PullContext] where a
    context ends it. This is all that many programs need. If C makes the calls, package
    callback has what the functions need that it calls; docs/first-programs.md has a
    complete program.
  - A function that is given a value and answers with one, again and again: [Coroutine].
  - Functions that pass control among each other as they like: [New] and
    [Greenlet.Switch], in a [Run].
  - Many functions that wait for each other, for the time or for the network: package
    tasklet, a scheduler with channels.
  - A body in C, or calls from C: [NewC], and csrc/greenlet.h.

# When to use it, and when not

Use [iter.Pull] to turn a Go iterator around, and goroutines with channels for
nearly everything else: they are portable, preemptive and use all processors.

Use this package where those cannot go: when the function to be suspended is a C
function that calls back (iter.Pull ends the process there); when many coroutines
must run on one thread, in an order that the program decides; when any coroutine must be
able to pass control to any other; and when a Go program uses coroutine code in C.

# Switching

[Greenlet.Switch] passes control to a greenlet with a value. What happens depends
on the target:

  - pending (made by [New], not started): it starts, with the value as its
    argument;
  - suspended: its own Switch, in which it waits, returns the value;
  - dead: control goes to its parent, or if that is dead to the parent's parent, and so on;
  - the current one: Switch returns the value at once.

[Greenlet.Throw] does the same with an error: the target's Switch returns it. A
pending target ends with it without having run.

A greenlet is not unwound from outside. When it is killed, the Switch in which it waits
returns [ErrExit], and its body must return that. A body that ignores the error goes on
running after its Kill, and after the end of its Run. [Greenlet.MustSwitch] returns the
value only: an error unwinds its caller, whose deferred calls run, and which ends with
the error as if its body had returned it. A function that C calls needs Switch, to be able
to tell C to stop; and it must go on returning the error at every further call that C
makes until C has returned.

So a body takes one of two forms:

	worker := func(v any) (any, error) {
		f, err := os.Open(v.(string))
		if err != nil {
			return nil, err // comes out of the parent's Switch
		}
		defer f.Close() // runs in any case
		for line := bufio.NewScanner(f); line.Scan(); {
			if _, err := greenlet.Current().Parent().Switch(line.Text()); err != nil {
				return nil, err // it was killed, or an error was thrown
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
a greenlet. A parent that is pending is started by a value; an error, a panic or a Goexit
ends it, and goes on to its own parent.

[ErrExit], which [Greenlet.Kill] throws, is different: a greenlet that ends with it has
not failed, and its parent gets the error as a value. If another error is joined with it,
such as that of a deferred Close, the greenlet has failed.

At the top of the tree is the root: the goroutine's own stack. It has no parent.

# Goroutines and threads

Greenlets belong to the goroutine that runs them. A goroutine that switches to a greenlet
becomes the root of a tree; all greenlets under it run in its place, one at a time, so they
need no locks among themselves. To use a greenlet that another goroutine has started is
[ErrWrongThread], and changes nothing. Other goroutines run as usual; a call that blocks in
a greenlet blocks the greenlets of its tree and nothing else.

While one of them is suspended in C, or has called [runtime.LockOSThread], the goroutine
is locked to its thread, as by LockOSThread, and so are all its greenlets. At other times
no thread is held: goroutines with suspended greenlets take no more threads than others.

[Run] makes the calling goroutine a root for as long as a function runs. At its end it
kills the greenlets that are left, and frees what the tree holds. It locks the goroutine to
its thread from start to end, which user interfaces, OpenGL, and C code that keeps something
for its thread need; with [WithoutLock] it does not. The same is true of a root whose
goroutine is locked already, or that is in a call from C. Without Run, a root that the
program has not asked for (with [Current], [Greenlet.Parent] or a tracer) ends with its last
greenlet, so that a [Pull] in a handler leaves nothing behind; one that it has asked for lasts
as long as its goroutine.

A pending greenlet can be moved to another goroutine's tree with SetParent. What Pull and
[NewCoroutine] make moves by itself to the goroutine that calls its next, stop or Resume,
with all greenlets that its body has made. Any goroutine may do that, one at a time. While
it is suspended in C it cannot move, nor can it move into a Run or out of one: that is
ErrWrongThread. (In a goroutine that was locked when it became a root, or in a call from C,
it stays.)

An [iter.Pull] works beside greenlets, with one exception: Go ends the process if the
goroutine is locked to its thread when the iter.Pull is made and not when it is used, or the
other way round. So do not make one before a Run and use it inside (WithoutLock, you may),
nor before a greenlet of the same goroutine is suspended in C and use it meanwhile, nor the
other way round. Use [Pull] there.

On the portable engine (see [Runtime]) every root is locked to its thread, as in a Run.

# Ends

A greenlet ends when its body returns, when it is killed, or when its Run ends. If nothing
refers to a suspended greenlet any more, it is killed after the next garbage collection: by
a goroutine of this package; or, if it is suspended in C or belongs to a Run, by the next
call of this package on its own goroutine, before that call does anything else. Do not rely
on that: end greenlets yourself. [SetUnraisableHook] says more.

When a goroutine that is a root ends, the greenlets that it leaves suspended are killed in
the same way, and their deferred calls run. Those of a Pull or Coroutine are not: another
goroutine may go on with them. Those that are suspended in C, or whose thread ends, are
dead, and their deferred calls do not run. The process may exit at any time.

# Iterators and typed coroutines

[Pull] and [Pull2] are iter.Pull for iterators that may have C frames in between;
[PullContext] and [Pull2Context] end with a context, too. [Coroutine] passes typed values in
both directions between one caller and one body. None of them allocates for a value.

# What it relies on

A greenlet is a goroutine on the OS thread that its root runs on, switched without Go's
scheduler, and has a C stack of its own while C code is suspended on it. For that the
library knows where the runtime keeps some fields, and checks them before the first
switch. None of that is promised by Go; internal/gort names the fields and functions of
the runtime that matter, and the tests run on every Go version that is supported, 1.24 to
1.27, on linux/amd64. On arm64 and riscv64 they run emulated, with Go 1.26.

Elsewhere, and where a check fails, there is a portable engine, which knows nothing of the
runtime's structs: each greenlet is, to the runtime, a C thread of its own that called Go.
The rules are the same, except that roots are locked to their threads. [Runtime] says which
engine is in use and what the portable one cannot do: above all, a greenlet that is still
suspended when its thread ends stays in memory, and execution traces cannot be read.

Without cgo on other CPUs, and on other systems than Linux (but for windows/amd64 without cgo),
greenlets are coroutines of the Go runtime. There, too, roots are locked to their threads, and a
switch in a function that C calls is an error; on Windows it is one with the engine of one M, too.

# Glossary

  - body: the function that a greenlet runs.
  - root: a goroutine's own stack, as a greenlet. It has no body and no parent.
  - tree: a root and all greenlets under it, of which one runs at a time.
  - parent: who gets control, with the result, when a greenlet ends.
  - pending: made, and not started. It has no stack yet.
  - suspended: started, and waiting in a Switch, a Throw, a yield, a next or a Resume.
  - dead: ended, or its thread or its Run is over. A switch to it goes to its parent.
  - forgotten: suspended, and nothing refers to it, so the garbage collector finds it.
  - to throw: to have the Switch in which a greenlet waits return an error. To kill: to
    throw ErrExit, and to come back.
  - C stack: where the C functions run that a greenlet has called.
  - section: C code during which every switch is an error, such as while it holds a lock.
  - engine: what switches stacks below these rules; [Runtime] names it.
  - G, M, P: the Go runtime's records of a goroutine, of an OS thread, and of the right to
    run Go code, of which a thread needs one to do so. Each M has a goroutine g0, on whose
    stack the runtime's own code and C functions run.

The rules are those of greenlet for Python, https://greenlet.readthedocs.io, in Go's terms.
*/
package greenlet
