/*
Package tasklet has the tasklets and channels of Stackless Python. Tasklets are functions
that run in turns on one goroutine, each on a greenlet of its own, in an order that is the
same every time, and that can wait for each other. Only one of them runs at a time, so data
that they share needs no lock.

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

[Go] makes a tasklet that can run; [Run] runs them in turn until none can go on. Here the
first one waits for a value. The second one sends it, and the first one runs at once, up to
its next wait.

# The ring

Each goroutine that uses the package has tasklets of its own: it is a root, and its own
code is the main tasklet. Those that can run are in the run ring; the current one is its
head. No tasklet is interrupted: it runs until it calls an operation that lets others run.
[Schedule] moves the current one to the end of the ring. [Tasklet.Run] runs another one, at
its place in the ring. [Run] runs them all, [RunSteps] for a number of switches, [RunFor]
for a time, such as what a frame of a game has left.

A tasklet is in the ring; or blocked (on a channel, an event and the like, on something
from outside, or in Run); or paused, until it is inserted into the ring. One that is never
inserted, or that waits for something that never happens, stays until its root ends, so kill
tasklets that are not needed any more. [Tasklets] lists them all, with what each waits for.

Use the package inside of greenlet.Run if the goroutine does something else afterwards. When
greenlet.Run returns, it kills the tasklets that are left with [ErrExit]: their deferred
calls run, and an operation that would switch or wait in them returns ErrExit instead.
Without greenlet.Run, a goroutine stays a root to its end.

# Channels

A [Channel] has no buffer, unless [WithBuffer] gives it one. A sender that finds no receiver
is blocked, in a queue, and so is a receiver that finds no sender. When two meet, the
channel's [Preference] says which one runs next: by default the receiver.

# Waiting for each other

	task := tasklet.Spawn(func() (int, error) { return 42, nil })
	v, err := task.Result()

[Tasklet.Join] waits for the end of a tasklet, [Spawn] makes a tasklet with a result, and a
[Group] waits for several. An [Event] lets all who wait for it go on when it is set; a
[Semaphore] has a number of permits. Those that have waited longest go on first.

# Time

[Sleep] waits for a time, [After] makes a channel that receives it, and [Timeout] limits how
long a function waits. In [WithClock] the time is virtual: when no tasklet can run, the clock
is set to the next time that one waits for. So a simulation of hours takes no longer than its
computations.

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
