package greenlet_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/go-greenlet/greenlet"
)

// numbers is an iterator over 1, 2, 3, and so on, which says when it ends.
func numbers(yield func(int) bool) {
	defer fmt.Println("ended")
	for i := 1; yield(i); i++ {
	}
}

func ExamplePull2() {
	ages := map[string]int{"ann": 31}
	next, stop := greenlet.Pull2(maps.All(ages))
	defer stop()
	fmt.Println(next())
	fmt.Println(next())
	// Output:
	// ann 31 true
	//  0 false
}

// The end of the context ends the iteration at the next call of next, on the goroutine that
// makes it.
func ExamplePullContext() {
	ctx, cancel := context.WithCancelCause(context.Background())
	next, stop := greenlet.PullContext(ctx, numbers)
	defer stop()
	fmt.Println(next())
	cancel(errors.New("enough"))
	fmt.Println(next())
	fmt.Println(context.Cause(ctx))
	// Output:
	// 1 true
	// ended
	// 0 false
	// enough
}

func ExamplePull2Context() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	next, stop := greenlet.Pull2Context(ctx, slices.All([]string{"a", "b"}))
	defer stop()
	for i, v, ok := next(); ok; i, v, ok = next() {
		fmt.Println(i, v)
	}
	// Output:
	// 0 a
	// 1 b
}

// A caller hands a question in and gets an answer out.
func ExampleCoroutine_Stop() {
	clerk := greenlet.NewCoroutine(func(yield func(string) (string, error), question string) error {
		for {
			var err error
			if question, err = yield("about " + question + ": no"); err != nil {
				fmt.Println("closed:", err)
				return err
			}
		}
	})
	answer, ok, err := clerk.Resume("the bridge")
	fmt.Println(answer, ok, err)
	fmt.Println(clerk.Stop())
	_, ok, err = clerk.Resume("the well")
	fmt.Println(ok, err)
	// Output:
	// about the bridge: no true <nil>
	// closed: greenlet: exit
	// <nil>
	// false <nil>
}
