package tasklet_test

import (
	"fmt"
	"time"

	"github.com/go-greenlet/greenlet"
	"github.com/go-greenlet/greenlet/tasklet"
)

func Example() {
	_ = greenlet.Run(func(*greenlet.Greenlet) error {
		squares := tasklet.NewChannel[int]()
		tasklet.Go(func() {
			for v := range squares.All() {
				fmt.Println(v)
			}
			fmt.Println("no more")
		})
		tasklet.Go(func() {
			for i := range 3 {
				if squares.Send(i*i) != nil {
					return
				}
			}
			squares.Close()
		})
		if err := tasklet.Run(); err != nil {
			fmt.Println(err)
		}
		return nil
	})
	// Output:
	// 0
	// 1
	// 4
	// no more
}

// They take turns as they say, and in no other order.
func ExampleSchedule() {
	_ = greenlet.Run(func(*greenlet.Greenlet) error {
		count := func(name string, n int) func() {
			return func() {
				for i := range n {
					fmt.Println(name, i)
					tasklet.Schedule()
				}
			}
		}
		tasklet.Go(count("a", 2))
		tasklet.Go(count("b", 1))
		return tasklet.Run()
	})
	// Output:
	// a 0
	// b 0
	// a 1
}

// One waits for the clock, the other goes on.
func ExampleAwait() {
	_ = greenlet.Run(func(*greenlet.Greenlet) error {
		tasklet.Go(func() {
			v, _ := tasklet.Await(func() (string, error) {
				time.Sleep(20 * time.Millisecond) // or a request, or a database
				return "the answer", nil
			})
			fmt.Println(v)
		})
		tasklet.Go(func() { fmt.Println("meanwhile") })
		return tasklet.Run()
	})
	// Output:
	// meanwhile
	// the answer
}

func ExampleDeadlockError() {
	_ = greenlet.Run(func(*greenlet.Greenlet) error {
		questions := tasklet.NewChannel[string](tasklet.WithName("questions"))
		_, err := questions.Receive()
		fmt.Println(err.(*tasklet.DeadlockError).Waits[0].On)
		return nil
	})
	// Output: questions
}
