package tasklet_test

import (
	"errors"
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

// Main and a tasklet wait for an answer, and the last tasklet that can run for a question.
// That one gets the error, which says for what each of them waits; its text has the places in
// the program, too. When the tasklet has ended, main gets an error of its own.
func ExampleDeadlockError() {
	_ = greenlet.Run(func(*greenlet.Greenlet) error {
		questions := tasklet.NewChannel[string](tasklet.WithName("questions"))
		answers := tasklet.NewChannel[string](tasklet.WithName("answers"))
		tasklet.Go(func() { _, _ = answers.Receive() })
		tasklet.Go(func() {
			_, err := questions.Receive()
			var deadlock *tasklet.DeadlockError
			if errors.As(err, &deadlock) {
				for _, w := range deadlock.Waits {
					fmt.Println("main:", w.Tasklet == tasklet.Main(), "waits for:", w.On)
				}
			}
		})
		_, err := answers.Receive()
		fmt.Println(err != nil)
		return nil
	})
	// Output:
	// main: true waits for: answers
	// main: false waits for: answers
	// main: false waits for: questions
	// true
}
