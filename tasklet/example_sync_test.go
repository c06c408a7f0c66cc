package tasklet_test

import (
	"errors"
	"fmt"
	"time"

	"github.com/go-greenlet/greenlet"
	"github.com/go-greenlet/greenlet/tasklet"
)

// A producer is not blocked while the buffer has room.
func ExampleWithBuffer() {
	_ = greenlet.Run(func(*greenlet.Greenlet) error {
		c := tasklet.NewChannel[int](tasklet.WithBuffer(2), tasklet.WithName("belt"))
		tasklet.Go(func() {
			for i := range 3 {
				fmt.Println("send", i)
				_ = c.Send(i)
			}
			c.Close()
		})
		tasklet.Go(func() {
			for v := range c.All() {
				fmt.Println("got", v)
			}
		})
		return tasklet.Run()
	})
	// Output:
	// send 0
	// send 1
	// send 2
	// got 0
	// got 1
	// got 2
}

func ExampleTasklet_Join() {
	_ = greenlet.Run(func(*greenlet.Greenlet) error {
		cook := tasklet.Go(func() {
			fmt.Println("chop")
			tasklet.Schedule()
			fmt.Println("serve")
		})
		fmt.Println(cook.Join(), cook.Alive())
		return nil
	})
	// Output:
	// chop
	// serve
	// <nil> false
}

func ExampleSpawn() {
	_ = greenlet.Run(func(*greenlet.Greenlet) error {
		var tasks []*tasklet.Task[int]
		for i := range 3 {
			tasks = append(tasks, tasklet.Spawn(func() (int, error) {
				if i == 2 {
					return 0, errors.New("2 is too many")
				}
				return i * 100, nil
			}))
		}
		for _, task := range tasks {
			fmt.Println(task.Result())
		}
		return nil
	})
	// Output:
	// 0 <nil>
	// 100 <nil>
	// 0 2 is too many
}

// No tasklet outlives the function, and the first error is that of all.
func ExampleGroup() {
	_ = greenlet.Run(func(*greenlet.Greenlet) error {
		work := func() error {
			var g tasklet.Group
			defer func() { _ = g.Kill() }()
			g.Go(func() error { return nil })
			g.Go(func() error { return errors.New("no flour") })
			return g.Wait()
		}
		fmt.Println(work())
		return nil
	})
	// Output: no flour
}

// Kill, deferred, bounds the lives of the helpers of a function: the slower one of two that
// look for the same thing is ended.
func ExampleGroup_Kill() {
	_ = tasklet.WithClock(time.Time{}, func() error {
		first := func() (winner string) {
			var g tasklet.Group
			defer func() { _ = g.Kill() }()
			found := tasklet.NewEvent()
			for name, takes := range map[string]time.Duration{"library": time.Hour, "web": time.Second} {
				g.Go(func() error {
					if err := tasklet.Sleep(takes); err != nil {
						fmt.Println(name, "is ended by:", err)
						return err
					}
					winner = name
					found.Set()
					return nil
				})
			}
			_ = found.Wait()
			return winner
		}
		fmt.Println(first(), "has found it")
		return nil
	})
	// Output:
	// library is ended by: greenlet: exit
	// web has found it
}

// Those that wait go on in the order in which they came.
func ExampleEvent() {
	_ = greenlet.Run(func(*greenlet.Greenlet) error {
		open := tasklet.NewEvent(tasklet.WithName("open"))
		for _, guest := range []string{"ann", "bob"} {
			tasklet.Go(func() {
				if open.Wait() == nil {
					fmt.Println(guest, "comes in")
				}
			})
		}
		tasklet.Go(func() {
			fmt.Println("the doors open")
			open.Set()
		})
		_ = tasklet.Run()
		fmt.Println(open.IsSet())
		open.Clear()
		fmt.Println(open.IsSet())
		return nil
	})
	// Output:
	// the doors open
	// ann comes in
	// bob comes in
	// true
	// false
}

// Two tables, three guests.
func ExampleSemaphore() {
	_ = greenlet.Run(func(*greenlet.Greenlet) error {
		tables := tasklet.NewSemaphore(2)
		for _, guest := range []string{"ann", "bob", "eve"} {
			tasklet.Go(func() {
				if tables.Acquire() != nil {
					return
				}
				defer tables.Release()
				fmt.Println(guest, "sits")
				tasklet.Schedule()
				fmt.Println(guest, "leaves")
			})
		}
		_ = tasklet.Run()
		fmt.Println(tables.TryAcquire())
		return nil
	})
	// Output:
	// ann sits
	// bob sits
	// ann leaves
	// bob leaves
	// eve sits
	// eve leaves
	// true
}

func ExampleTimeout() {
	_ = tasklet.WithClock(time.Time{}, func() error {
		orders := tasklet.NewChannel[string]()
		err := tasklet.Timeout(time.Minute, func() error {
			_, err := orders.Receive()
			return err
		})
		fmt.Println(err, errors.Is(err, tasklet.ErrTimeout))
		return nil
	})
	// Output: tasklet: Timeout of 1m0s: the time is over true
}

// A day takes no time, and is the same each time.
func ExampleWithClock() {
	noon := time.Date(2030, 1, 1, 12, 0, 0, 0, time.UTC)
	err := tasklet.WithClock(noon, func() error {
		for _, bus := range []struct {
			name  string
			every time.Duration
		}{{"A", 7 * time.Hour}, {"B", 11 * time.Hour}} {
			tasklet.Go(func() {
				for tasklet.Sleep(bus.every) == nil {
					fmt.Println(tasklet.Now().Format("15:04"), bus.name)
				}
			})
		}
		return tasklet.Sleep(24 * time.Hour) // then f returns, and the others are killed
	})
	fmt.Println(err)
	// Output:
	// 19:00 A
	// 23:00 B
	// 02:00 A
	// 09:00 A
	// 10:00 B
	// <nil>
}

// The loop of a game, whose time stands still when it is paused. RunFor leaves time to draw.
func ExampleRunFor() {
	_ = tasklet.WithClock(time.Time{}, func() error {
		tasklet.Go(func() {
			for i := 1; tasklet.Sleep(30*time.Millisecond) == nil; i++ {
				fmt.Println("the torch flickers", i)
			}
		})
		for frame := range 5 {
			if frame != 2 { // paused
				if err := tasklet.Advance(16 * time.Millisecond); err != nil {
					return err
				}
			}
			more, err := tasklet.RunFor(time.Second)
			if err != nil {
				return err
			}
			fmt.Println("draw frame", frame, "scripts wait for the next one:", more)
		}
		return nil
	})
	// Output:
	// draw frame 0 scripts wait for the next one: false
	// draw frame 1 scripts wait for the next one: false
	// draw frame 2 scripts wait for the next one: false
	// the torch flickers 1
	// draw frame 3 scripts wait for the next one: false
	// draw frame 4 scripts wait for the next one: false
}

// What to print when something hangs.
func ExampleTasklets() {
	_ = greenlet.Run(func(*greenlet.Greenlet) error {
		orders := tasklet.NewChannel[string](tasklet.WithName("orders"))
		tasklet.Go(func() { _, _ = orders.Receive() }).SetName("cook")
		tasklet.New(func() {}).SetName("guest")
		tasklet.Schedule()
		for _, t := range tasklet.Tasklets() {
			name := numbers.ReplaceAllString(t.String(), "") // "cook/7", without the number
			if name != "main (running)" {
				fmt.Println(name)
			}
		}
		for _, w := range tasklet.Waits() {
			fmt.Println(numbers.ReplaceAllString(w.Tasklet.String(), ""), w.On, w.Send, w.Since != "")
		}
		return nil
	})
	// Output:
	// cook (receives from orders)
	// guest (paused)
	// cook (receives from orders) orders false true
}
