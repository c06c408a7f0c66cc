/*
Package tasklet has tasklets and channels, as Stackless Python has them, on greenlets:
functions that run in turns for one goroutine, in an order that is the same every time,
and that wait for each other. Nothing runs at the same time as anything else, so nothing
needs a lock.

	answers := tasklet.NewChannel[int]()
	tasklet.Go(func() {
		for v := range answers.All() {
			fmt.Println(v)
		}
	})
	tasklet.Go(func() {
		for i := range 3 {
			if answers.Send(i*i) != nil {
				return // killed
			}
		}
		answers.Close()
	})
	err := tasklet.Run()

[Go] makes a tasklet and gives it a turn; [Run] lets them have their turns until none can
go on. The first one waits for a value; the second one sends it, and the first one runs at
once, up to its next wait.

# The ring

Each goroutine that uses the package has tasklets of its own: it is a root, and its own
code is the main tasklet. Those that can run are in the run ring; the current one is its
head. Nobody is interrupted: a tasklet runs until it calls an operation that lets others
run. [Schedule] goes to the end of the ring. [Tasklet.Run] lets another one run at its
place in the ring. [Run] runs them all, [RunSteps] for so many switches, [RunFor] for so
much time, such as what a frame of a game has left.

A tasklet is in the ring, or blocked (on a channel, an event and the like, for something
from outside, or in Run), or paused: then it goes on when somebody inserts it. One that
nobody inserts any more, or that waits for what never comes, stays until its root ends, so
kill what is not needed. [Tasklets] lists them all, with what each does.

Use the package inside of greenlet.Run where the goroutine goes on with something else
afterwards. The end of the root (greenlet.Run returns) kills what is left with [ErrExit]:
deferred calls run, and what would switch or wait there returns ErrExit instead. Without
greenlet.Run, a goroutine stays a root to its end.

# Channels

A [Channel] has no buffer, unless [WithBuffer] gives it one. Who finds no partner is
blocked, in a queue. When two meet, the channel's [Preference] says who goes on: by default
the receiver.

# Waiting for each other

	task := tasklet.Spawn(func() (int, error) { return 42, nil })
	v, err := task.Result()

[Tasklet.Join] waits for an end, [Spawn] makes a tasklet with a result, and a [Group] is
several that are waited for together. An [Event] is something that happens once and that
many wait for; a [Semaphore] hands out a number of permits. Who waits longest goes on first.

# Time

[Sleep] and [After] wait for the time, and [Timeout] bounds whatever a function waits for.
In [WithClock] the time is virtual: it passes when nobody can run, and then at once to the
next time that somebody waits for. So simulations and tests of hours take no longer than
their turns.

	err := tasklet.WithClock(time.Now(), func() error {
		return tasklet.Timeout(time.Minute, func() error {
			return tasklet.Sleep(time.Hour)
		})
	})
	fmt.Println(errors.Is(err, tasklet.ErrTimeout)) // true, at once

# The outside

A tasklet can wait for ordinary Go things, and only that tasklet waits: [Await] for a
function, which runs on a goroutine, [Recv] for a channel of Go. A context ends the wait of
[AwaitContext], [SleepContext], [RecvContext] and [Channel.ReceiveContext].
[Channel.Post] feeds a channel from any goroutine; [Channel.Close], [Event.Set] and
[Semaphore.Release] may be called from any. When nobody can run but something is awaited,
the thread sleeps.

A call that blocks in another way, such as a mutex or an ordinary channel, blocks all
tasklets of the root.

# Ends and errors

A tasklet ends when its function returns. Its panic comes out of the innermost [Run]
as a *greenlet.PanicError; if main is not in Run, main gets it where it is. So does an
error that was thrown at a tasklet, and that it did not handle, and one that keeps it
from starting, such as that there is no memory for its stack: as an [*Error], which says
whose it is. Those of Spawn and of a Group are results, and come out there. [Tasklet.Kill]
throws [ErrExit], which goes nowhere, unless another error is joined with it. A thrown error
is what the operation returns in which the tasklet waits, be it Run; where that has no
error result, it panics, and the tasklet's deferred calls run.

When nobody can run and somebody would have to wait, there is a [*DeadlockError], which
names all who wait, on what and where. [Waits] tells the same at any time, such as when
Run has returned and those that are left wait for ever.

# When goroutines are better

For most programs. Tasklets use one processor; goroutines use all. Take tasklets where
the order must be the same every time (simulations, games, tests), where much state is
shared, or where C code on the stack has to be suspended.

# Glossary

  - tasklet: a function that runs in turns with others, on a greenlet of its own.
  - root: the goroutine that they belong to, and all that runs for it.
  - main: the tasklet of the root's own code, which nobody has made.
  - ring: those that can run, in the order of their turns. The current one is its head.
  - blocked: waiting for somebody or something that decides when it goes on.
  - paused: neither in the ring nor blocked; Insert, Run or Switch goes on with it.
  - partner: the one that a channel's operation meets, a receiver for a sender.
  - outside: what other goroutines and the clock do.
  - to throw: to end a tasklet's wait with an error. To kill: to throw ErrExit.
  - trap: what makes an operation that would block, or switch, an error.
*/
package tasklet
