/*
Package tasklet is a cooperative scheduler on greenlets: tasklets and channels, as in
Stackless Python. Tasklets are functions that take turns on one goroutine and wait for
each other. They never run at the same time, and the order of their turns is the same in
every run of the program, so data that they share needs no lock.

	squares := tasklet.NewChannel[int]()
	tasklet.Go(func() {
		for v := range squares.All() {
			fmt.Println(v)
		}
	})
	tasklet.Go(func() {
		for i := range 3 {
			if squares.Send(i*i) != nil {
				return // killed
			}
		}
		squares.Close()
	})
	err := tasklet.Run()

[Go] makes a tasklet, and [Run] lets the tasklets take turns until none can go on. In this
program the first tasklet waits for a value. The second one sends a value, the first one
runs until it waits again, and so on.

# The ring

A goroutine that uses the package becomes a root. It has tasklets of its own, and its own
code is the main tasklet. The tasklets that can run are in the run ring, whose head is the
current one. There is no preemption: a tasklet runs until it calls an operation that lets
others run.

[Schedule] moves the current tasklet to the end of the ring. [Tasklet.Run] switches to a
certain tasklet. [Run] runs all of them, [RunSteps] a number of turns, and [RunFor] as long
as a budget of time lasts.

A living tasklet is in the ring, or blocked (on a channel, an event and the like, until
something comes from outside, or in Run), or paused. [Tasklet.Insert] puts a paused one
into the ring. [Tasklets] lists them all with their states.

# Channels

	c := tasklet.NewChannel[string](tasklet.WithName("orders"))
	err := c.Send("bread") // waits for a receiver
	v, err := c.Receive()  // waits for a sender

A [Channel] has no buffer, unless [WithBuffer] gives it one. A tasklet that finds no partner
is blocked in the channel's queue. When two tasklets meet, the channel's [Preference] says
which one goes on; the default is the receiver. [Channel.Close] ends the loops over
[Channel.All].

# Waiting for each other

	task := tasklet.Spawn(func() (int, error) { return 42, nil })
	v, err := task.Result()

[Tasklet.Join] waits for the end of a tasklet. [Spawn] makes a tasklet with a result. A
[Group] is a set of tasklets that are waited for together. An [Event] is a flag to wait for,
and a [Semaphore] limits how many tasklets do something at once. All of them, and channels,
serve the tasklet first that has waited longest.

# Time

[Sleep] and [After] wait for a time. [Timeout] limits how long a function may wait. In
[WithClock] time is virtual: when no tasklet can run, the clock advances at once to the next
time that one waits for. So a simulation or a test of hours takes no longer than its code.

	err := tasklet.WithClock(time.Now(), func() error {
		return tasklet.Timeout(time.Minute, func() error {
			return tasklet.Sleep(time.Hour)
		})
	})
	fmt.Println(errors.Is(err, tasklet.ErrTimeout)) // true, at once

# The outside

A tasklet can wait for what other goroutines do, and only that tasklet waits. [Await] calls
a function on another goroutine, and [Recv] receives from a Go channel. A context ends
[AwaitContext], [SleepContext], [RecvContext] and [Channel.ReceiveContext]. The other way
round, any goroutine may call [Channel.Post], [Channel.Close], [Event.Set] and
[Semaphore.Release]. When no tasklet can run and one waits for the outside, the thread
sleeps.

A call that blocks the goroutine in another way, such as the lock of a mutex or a receive
from a Go channel without Recv, blocks all tasklets of the root.

# Ends and errors

A tasklet ends when its function returns. Its failures come out of the innermost [Run], or
at main if main is not in Run:

  - A panic goes on there as a *greenlet.PanicError.
  - An error that was thrown at the tasklet, and that it has not handled, is returned as an
    [*Error], which names the tasklet. So is an error that keeps the tasklet from starting,
    such as that there is no memory for its stack.
  - The errors of Spawn and Group are results, and do not come out of Run.

[Tasklet.Throw] ends the wait of a tasklet with an error: the operation that the tasklet is
in, which can be Run, returns the error. An operation without an error result panics with
it, and the deferred calls run. [Tasklet.Kill] throws [ErrExit], which is an expected end
and comes out nowhere, unless it is joined with another error. So return when an operation
returns an error: a tasklet that ignores it outlives its Kill.

If a tasklet would block while no other can run, and nothing from outside is awaited, the
operation returns a [*DeadlockError]. It lists the tasklets that wait, for what, and where.
[Waits] returns that list at any time, for example when Run has returned and tasklets are
still blocked.

# The end of a root

Use the package inside of greenlet.Run or WithClock. When that returns, the tasklets that
still live are killed: their deferred calls run, and operations that would switch or wait
return ErrExit. A goroutine that uses the package elsewhere stays a root until it ends.
There a tasklet that waits for something that never comes stays in memory as long, so kill
what is not needed.

# When goroutines are better

For most programs. Tasklets use one processor, goroutines use all. Take tasklets where the
order must be the same every time (simulations, games, tests), where much state is shared,
or where C code on the stack has to be suspended.

# Glossary

  - tasklet: a function that takes turns with others, on a greenlet of its own.
  - root: a goroutine that has tasklets; they belong to it and run on it.
  - main: the tasklet that is the root's own code, and that no call has made.
  - current: the tasklet that runs.
  - ring: the tasklets that can run, in the order of their turns, from the current one on.
  - switch: the current tasklet is suspended, and another one goes on.
  - blocked: in an operation that ends when a partner, an event, a time or the like comes.
  - paused: neither in the ring nor blocked; Insert, Run or Switch makes it go on.
  - partner: the tasklet that an operation on a channel meets: a receiver for a sender.
  - outside: other goroutines and the clock; what comes from there is awaited.
  - to poll: the scheduler takes in what other goroutines have sent. Each operation does.
  - to throw: to end a tasklet's wait with an error. To kill: to throw ErrExit.
  - trap: a setting that turns an operation that would block, or switch, into an error.
  - deadlock: no tasklet can run, nothing from outside is awaited, and one has to wait.
*/
package tasklet
