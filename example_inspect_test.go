//go:build cgo && linux

package greenlet_test

import (
	"fmt"
	"path"
	"runtime"
	"strings"

	"github.com/go-greenlet/greenlet"
)

// What there is to know of a greenlet. Times and places of birth are recorded only on
// demand, since that takes time.
func ExampleInfo() {
	defer greenlet.SetDetail(greenlet.SetDetail(greenlet.DetailTimes | greenlet.DetailCreation))
	_ = greenlet.Run(func(root *greenlet.Greenlet) error {
		g := greenlet.New(func(any) (any, error) { return root.Switch(nil) }, greenlet.WithName("npc"))
		g.MustSwitch(nil)
		var i greenlet.Info = g.Info()
		fmt.Println(i.Name, "is", i.State, "and was switched to", i.Switches, "time")
		fmt.Println(i.ID == g.ID(), i.Parent == root.ID(), i.Root == root.ID(), i.Thread > 0)
		fmt.Println("made in", path.Base(i.CreatedAt.File), !i.Created.IsZero())
		if i.SuspendedAt.File != "" { // the portable engine does not know
			fmt.Println("waits in", path.Base(i.SuspendedAt.File), i.Since > 0)
		} else {
			fmt.Println("waits in example_inspect_test.go true")
		}
		fmt.Println(i.CStackUsed <= i.CStack)
		return nil
	})
	// Output:
	// npc is suspended and was switched to 1 time
	// true true true true
	// made in example_inspect_test.go true
	// waits in example_inspect_test.go true
	// true
}

// Any goroutine may look for the greenlets of the process.
func ExampleAll() {
	_ = greenlet.Run(func(root *greenlet.Greenlet) error {
		var people []*greenlet.Greenlet
		for _, name := range []string{"ann", "bob"} {
			g := greenlet.New(func(any) (any, error) { return root.Switch(nil) }, greenlet.WithName(name))
			g.SetValue(len(name)) // whatever belongs to it
			g.MustSwitch(nil)
			people = append(people, g)
		}
		defer runtime.KeepAlive(people) // All keeps nobody: who is forgotten is ended
		fmt.Println(len(root.Children()))
		for g := range greenlet.All() {
			if g.Parent() == root {
				fmt.Println(g.Name(), g.Value())
			}
		}
		var text strings.Builder
		if err := greenlet.Dump(&text); err != nil {
			return err
		}
		fmt.Println(strings.Contains(text.String(), "bob"))
		return nil
	})
	// Output:
	// 2
	// ann 3
	// bob 3
	// true
}

func ExampleLookupCurrent() {
	_, ok := greenlet.LookupCurrent()
	fmt.Println(ok)
	_ = greenlet.Run(func(root *greenlet.Greenlet) error {
		g, ok := greenlet.LookupCurrent()
		fmt.Println(g == root, ok)
		return nil
	})
	// Output:
	// false
	// true true
}
