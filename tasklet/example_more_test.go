package tasklet_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/go-greenlet/greenlet"
	"github.com/go-greenlet/greenlet/tasklet"
)

// What the main tasklet is, and how many are in the ring.
func ExampleRunCount() {
	_ = greenlet.Run(func(*greenlet.Greenlet) error {
		fmt.Println(tasklet.Current() == tasklet.Main(), tasklet.RunCount())
		tasklet.Go(func() { fmt.Println("another one:", tasklet.Current() != tasklet.Main()) })
		fmt.Println(tasklet.RunCount())
		_ = tasklet.Run()
		fmt.Println(tasklet.RunCount())
		return nil
	})
	// Output:
	// true 1
	// 2
	// another one: true
	// 1
}

// A tasklet is in the ring, blocked, paused or dead.
func ExampleTasklet_Insert() {
	_ = greenlet.Run(func(*greenlet.Greenlet) error {
		c := tasklet.NewChannel[int]()
		t := tasklet.New(func() {
			tasklet.ScheduleRemove() // until somebody inserts it
			_, _ = c.Receive()
		})
		show := func() {
			fmt.Println("alive:", t.Alive(), "scheduled:", t.Scheduled(), "paused:", t.Paused(), "blocked:", t.Blocked())
		}
		show()
		_ = t.Insert()
		show()
		tasklet.Schedule()
		show()
		_ = t.Insert()
		_ = t.Remove() // from the ring again
		_ = t.Run()    // at once
		show()
		_ = t.Kill()
		show()
		return nil
	})
	// Output:
	// alive: true scheduled: false paused: true blocked: false
	// alive: true scheduled: true paused: false blocked: false
	// alive: true scheduled: false paused: true blocked: false
	// alive: true scheduled: true paused: false blocked: true
	// alive: false scheduled: false paused: false blocked: false
}

// Run switches to a tasklet at its place in the ring: those after it run before the caller.
func ExampleTasklet_Run() {
	_ = greenlet.Run(func(*greenlet.Greenlet) error {
		var all []*tasklet.Tasklet
		for _, name := range []string{"a", "b", "c"} {
			all = append(all, tasklet.Go(func() { fmt.Println(name) }))
		}
		_ = all[1].Run()
		fmt.Println("main; in the ring:", tasklet.RunCount())
		return tasklet.Run()
	})
	// Output:
	// b
	// c
	// main; in the ring: 2
	// a
}

// Run keeps the caller in the ring, Switch takes it out.
func ExampleTasklet_Switch() {
	_ = greenlet.Run(func(*greenlet.Greenlet) error {
		main := tasklet.Main()
		b := tasklet.New(func() {
			fmt.Println("b, while main is paused:", main.Paused())
			_ = main.Insert()
		})
		_ = b.Switch()
		fmt.Println("main again")
		return nil
	})
	// Output:
	// b, while main is paused: true
	// main again
}

// At most so many switches.
func ExampleRunSteps() {
	_ = greenlet.Run(func(*greenlet.Greenlet) error {
		tasklet.Go(func() {
			for i := 0; ; i++ {
				fmt.Println("step", i)
				tasklet.Schedule()
			}
		})
		fmt.Println(tasklet.RunSteps(2))
		return nil
	})
	// Output:
	// step 0
	// step 1
	// 2 <nil>
}

// A sender, a receiver and a bystander x. By default the receiver gets each value at once,
// with PreferNeither the one that calls goes on, and with PreferSender the receiver lets the
// sender go on before it uses the value.
func ExamplePreference() {
	_ = greenlet.Run(func(*greenlet.Greenlet) error {
		for _, p := range []tasklet.Preference{tasklet.PreferReceiver, tasklet.PreferNeither, tasklet.PreferSender} {
			var order []string
			c := tasklet.NewChannel[int]()
			c.SetPreference(p)
			tasklet.Go(func() {
				for i := range 3 {
					order = append(order, fmt.Sprint("send", i))
					_ = c.Send(i)
				}
				c.Close()
			})
			tasklet.Go(func() {
				for v := range c.All() {
					order = append(order, fmt.Sprint("got", v))
				}
			})
			tasklet.Go(func() { order = append(order, "x") })
			_ = tasklet.Run()
			fmt.Println(order)
		}
		return nil
	})
	// Output:
	// [send0 got0 x send1 got1 send2 got2]
	// [send0 got0 x send1 send2 got1 got2]
	// [send0 send1 x got0 send2 got1 got2]
}

// Everybody has a turn between one value and the next.
func ExampleChannel_SetScheduleAll() {
	_ = greenlet.Run(func(*greenlet.Greenlet) error {
		c := tasklet.NewChannel[int]()
		c.SetScheduleAll(true)
		tasklet.Go(func() {
			n, err := c.SendAll(slices.Values([]int{1, 2}))
			fmt.Println("sent", n, err)
		})
		tasklet.Go(func() { fmt.Println("a bystander") })
		v, err := c.Receive()
		fmt.Println(v, err)
		v, err = c.Receive()
		fmt.Println(v, err)
		return tasklet.Run()
	})
	// Output:
	// a bystander
	// 1 <nil>
	// 2 <nil>
	// sent 2 <nil>
}

func ExampleChannel_Close() {
	_ = greenlet.Run(func(*greenlet.Greenlet) error {
		c := tasklet.NewChannel[int]()
		tasklet.Go(func() { _ = c.Send(1) })
		tasklet.Schedule()
		fmt.Println("senders that wait:", c.Balance())
		c.Close()
		fmt.Println(c.Closing(), c.Closed())
		fmt.Println(c.Receive())
		_, err := c.Receive()
		fmt.Println(c.Closed(), errors.Is(err, tasklet.ErrClosed))
		c.Open()
		fmt.Println(c.Closing())
		return nil
	})
	// Output:
	// senders that wait: 1
	// true false
	// 1 <nil>
	// true true
	// false
}

// An error in place of a value. ErrStop ends a loop over All.
func ExampleChannel_SendError() {
	_ = greenlet.Run(func(*greenlet.Greenlet) error {
		c := tasklet.NewChannel[int]()
		tasklet.Go(func() {
			_, err := c.Receive()
			fmt.Println(err)
			for v := range c.All() {
				fmt.Println(v)
			}
			fmt.Println("the end")
		})
		tasklet.Go(func() {
			_ = c.SendError(errors.New("no reading"))
			_ = c.Send(1)
			_ = c.SendError(tasklet.ErrStop)
		})
		return tasklet.Run()
	})
	// Output:
	// no reading
	// 1
	// the end
}

// A goroutine feeds a channel, and Run waits for it.
func ExampleChannel_Post() {
	_ = greenlet.Run(func(*greenlet.Greenlet) error {
		answers := tasklet.NewChannel[string](tasklet.WithPosts())
		tasklet.Go(func() {
			v, err := answers.Receive()
			fmt.Println(v, err)
		})
		go func() { _ = answers.Post("from a goroutine") }()
		return tasklet.Run()
	})
	// Output: from a goroutine <nil>
}

// One waits; the others go on.
func ExampleSleep() {
	_ = tasklet.WithClock(time.Time{}, func() error {
		tasklet.Go(func() {
			_ = tasklet.Sleep(time.Minute)
			fmt.Println("a minute later")
		})
		tasklet.Go(func() { fmt.Println("at once") })
		_ = tasklet.Run()
		at, err := tasklet.After(time.Hour).Receive()
		fmt.Println(at.Sub(time.Time{}), err)
		return nil
	})
	// Output:
	// at once
	// a minute later
	// 1h1m0s <nil>
}

// A ticker that does not drift, made of channels on which the time is sent once.
func ExampleAfter() {
	_ = tasklet.WithClock(time.Time{}, func() error {
		begun := tasklet.Now()
		for i := range 3 {
			next := tasklet.After(time.Minute)
			_ = tasklet.Sleep(time.Duration(i) * 20 * time.Second) // some work
			at, err := next.Receive()
			fmt.Println(at.Sub(begun), err)
		}
		return nil
	})
	// Output:
	// 1m0s <nil>
	// 2m0s <nil>
	// 3m0s <nil>
}

// A Go channel, and one tasklet that waits for it while another one runs.
func ExampleRecv() {
	_ = greenlet.Run(func(*greenlet.Greenlet) error {
		ch := make(chan string)
		go func() {
			ch <- "from a goroutine"
			close(ch)
		}()
		fmt.Println(tasklet.Recv(ch))
		fmt.Println(tasklet.Recv(ch))
		return nil
	})
	// Output:
	// from a goroutine true <nil>
	//  false <nil>
}

// The context ends whatever a tasklet waits for outside.
func ExampleAwaitContext() {
	_ = greenlet.Run(func(*greenlet.Greenlet) error {
		ctx, cancel := context.WithCancelCause(context.Background())
		tasklet.Go(func() {
			_, err := tasklet.AwaitContext(ctx, func(ctx context.Context) (int, error) {
				<-ctx.Done() // such as a request
				return 0, ctx.Err()
			})
			fmt.Println("Await:", err)
		})
		tasklet.Go(func() { fmt.Println("Sleep:", tasklet.SleepContext(ctx, time.Hour)) })
		tasklet.Go(func() {
			_, _, err := tasklet.RecvContext(ctx, make(chan int))
			fmt.Println("Recv:", err)
		})
		tasklet.Go(func() {
			_, err := tasklet.NewChannel[int]().ReceiveContext(ctx)
			fmt.Println("Receive:", err)
		})
		tasklet.Go(func() { cancel(errors.New("closing time")) })
		return tasklet.Run()
	})
	// Unordered output:
	// Await: closing time
	// Sleep: closing time
	// Recv: closing time
	// Receive: closing time
}

// Kill and Throw end a wait. An error that a tasklet does not handle comes out of Run, and
// says whose it is.
func ExampleError() {
	_ = greenlet.Run(func(*greenlet.Greenlet) error {
		c := tasklet.NewChannel[int](tasklet.WithName("orders"))
		wait := func() {
			_, err := c.Receive()
			fmt.Println("ended by:", err)
		}
		a, b := tasklet.Go(wait), tasklet.Go(wait)
		spins := tasklet.Go(func() {
			for {
				tasklet.Schedule() // panics with what is thrown at the tasklet
			}
		}).SetName("spinner")
		tasklet.Schedule()
		_ = a.Kill()
		_ = b.Throw(errors.New("out of stock"))
		_ = spins.ThrowLater(errors.New("stop that"))
		err := tasklet.Run()
		var e *tasklet.Error
		if errors.As(err, &e) {
			fmt.Println(e.Name, e.ID > 0, e.Body != "", e.Err)
		}
		return nil
	})
	// Output:
	// ended by: greenlet: exit
	// ended by: out of stock
	// spinner true true stop that
}

// A thrown error is what the operation returns in which the tasklet waits. The tasklet may
// handle it and go on.
func ExampleTasklet_Throw() {
	_ = greenlet.Run(func(*greenlet.Greenlet) error {
		soldOut := errors.New("sold out")
		orders := tasklet.NewChannel[string]()
		cook := tasklet.Go(func() {
			for {
				order, err := orders.Receive()
				switch {
				case errors.Is(err, soldOut):
					fmt.Println("something else then")
				case err != nil:
					fmt.Println("closing:", err)
					return
				default:
					fmt.Println("cooks", order)
				}
			}
		})
		_ = orders.Send("soup")
		_ = cook.Throw(soldOut)
		_ = orders.Send("stew")
		_ = cook.Kill()
		return nil
	})
	// Output:
	// cooks soup
	// something else then
	// cooks stew
	// closing: greenlet: exit
}

// KillLater lets the caller go on; the tasklet gets ErrExit at its turn.
func ExampleTasklet_KillLater() {
	_ = greenlet.Run(func(*greenlet.Greenlet) error {
		t := tasklet.Go(func() {
			defer fmt.Println("then it ends")
			tasklet.Schedule()
		})
		tasklet.Schedule()
		_ = t.KillLater()
		fmt.Println("the caller goes on")
		_ = tasklet.Run()
		fmt.Println(errors.Is(tasklet.Current().Throw(nil), tasklet.ErrExit))
		return nil
	})
	// Output:
	// the caller goes on
	// then it ends
	// true
}

// Traps are for code that must not be left: it gets an error in place of a switch.
func ExampleSwitchTrap() {
	_ = greenlet.Run(func(*greenlet.Greenlet) error {
		c := tasklet.NewChannel[int]()
		tasklet.Go(func() { _, _ = c.Receive() })
		tasklet.Schedule()
		tasklet.SwitchTrap(1)
		fmt.Println(errors.Is(c.Send(1), tasklet.ErrSwitchTrap))
		tasklet.SwitchTrap(-1)

		me := tasklet.Current()
		me.SetBlockTrap(true)
		_, err := tasklet.NewChannel[int]().Receive()
		fmt.Println(errors.Is(err, tasklet.ErrBlockTrap))
		me.SetBlockTrap(false)
		return nil
	})
	// Output:
	// true
	// true
}

// What may be refused, and how to tell.
func ExampleErrDead() {
	_ = greenlet.Run(func(*greenlet.Greenlet) error {
		c := tasklet.NewChannel[int]()
		waits := tasklet.Go(func() { _, _ = c.Receive() })
		ended := tasklet.Go(func() {})
		tasklet.Schedule()
		fmt.Println(errors.Is(ended.Insert(), tasklet.ErrDead))
		fmt.Println(errors.Is(waits.Insert(), tasklet.ErrBlocked))
		fmt.Println(errors.Is(tasklet.Current().Remove(), tasklet.ErrCurrent))
		errs := make(chan error)
		go func() { errs <- c.Send(1) }() // Post is for other goroutines
		fmt.Println(errors.Is(<-errs, tasklet.ErrWrongThread))
		return nil
	})
	// Output:
	// true
	// true
	// true
	// true
}
