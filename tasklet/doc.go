/*
Package tasklet has tasklets and channels, as Stackless Python has them, on greenlets:
functions that run in turns on one thread, in an order that is the same every time,
and that wait for each other on channels. Nothing runs at the same time as anything
else, so nothing needs a lock.

	answers := tasklet.NewChannel[int]()
	tasklet.Go(func() {
		for v := range answers.All() {
			fmt.Println(v)
		}
	})
	tasklet.Go(func() {
		for i := range 3 {
			answers.Send(i * i)
		}
		answers.Close()
	})
	err := tasklet.Run()

# The ring

Each goroutine that uses the package has tasklets of its own: it is a root, locked
to its thread, and its own code is the main tasklet. Those that can run are in the
run ring; the current one is its head. Nobody is interrupted: a tasklet runs until
it calls an operation that lets others run. [Schedule] goes to the end of the ring.
[Tasklet.Run] lets another one run at its place in the ring. [Run] runs them all,
until none can.

A tasklet is in the ring, or blocked (on a channel, for something from outside, or in
Run), or paused: then it goes on when somebody inserts it. One that nobody inserts any
more, or that waits for what never comes, stays until its root ends, so kill what is not
needed. The end of the root (greenlet.Run returns) kills what is left with [ErrExit]:
deferred calls run, and what would switch or wait there returns ErrExit instead.

# Channels

A [Channel] has no buffer. Who finds no partner is blocked, in a queue. When two
meet, the channel's [Preference] says who goes on: by default the receiver.

# Ends and errors

A tasklet ends when its function returns. Its panic comes out of the innermost [Run]
as a *greenlet.PanicError; if main is not in Run, main gets it where it is. So does an
error that was thrown at a tasklet, and that it did not handle, and one that keeps it
from starting, such as that there is no memory for its stack: as an [*Error], which says
whose it is. [Tasklet.Kill] throws
[ErrExit], which goes nowhere, unless another error is joined with it. A thrown error
is what the operation returns in which the tasklet waits, be it Run; where that has no
error result, it panics, and the tasklet's deferred calls run.

When nobody can run and somebody would have to wait, there is a [*DeadlockError], which
names all who wait, on what and where. [Waits] tells the same at any time, such as when
Run has returned and those that are left wait for ever.

# The outside

A tasklet can wait for ordinary Go things, and only that tasklet waits: [Await] for a
function, which runs on a goroutine, [Sleep], [Recv]. A context ends the wait of
[AwaitContext], [SleepContext], [RecvContext] and [Channel.ReceiveContext].
[Channel.Post] feeds a channel from any goroutine, and [Channel.Close] may be called
from any. When nobody can run but something is awaited, the thread sleeps.

A call that blocks in another way, such as a mutex or an ordinary channel, blocks all
tasklets of the thread.

# When goroutines are better

For most programs. Tasklets use one processor; goroutines use all. Take tasklets where
the order must be the same every time (simulations, games, tests), where much state is
shared, or where C code on the stack has to be suspended.
*/
package tasklet
