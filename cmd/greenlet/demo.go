//go:build cgo && linux

package main

import (
	"bufio"
	"fmt"
	"io"
	"runtime"
	"strings"

	"github.com/go-greenlet/greenlet"
	"github.com/go-greenlet/greenlet/examples/libc"
)

// A scene is a part of the demo. Its output is indented.
type scene struct {
	title string
	play  func(w io.Writer) error
}

func demo(dirs []string, stdout io.Writer) error {
	dirs, err := walkDirs(dirs)
	if err != nil {
		return err
	}
	fmt.Fprintf(stdout, "%s on %s/%s, stacks switched by: %s; switches: %s\n",
		runtime.Version(), runtime.GOOS, runtime.GOARCH, greenlet.Backend(), greenlet.Runtime())
	for i, s := range []scene{
		{"Two greenlets hand over to each other, each in the middle of a loop", handOver},
		{"Generators yield from nested, recursive calls: two lots of permutations", permutations},
		{"nftw(3) only knows how to call back: walks in turn, each suspended inside C",
			func(w io.Writer) error { return walkInTurn(w, dirs, greenlet.Pull2) }},
		{"The same with iter.Pull2 in place of greenlet.Pull2, in a child process",
			func(w io.Writer) error { return iterPullDies(w, dirs) }},
		{"qsort(3) is suspended at each comparison, and another greenlet answers", sortInsideOut},
	} {
		fmt.Fprintf(stdout, "\n%d. %s\n\n", i+1, s.title)
		w := bufio.NewWriter(&indented{w: stdout, start: true})
		if err := s.play(w); err != nil {
			return err
		}
		if err := w.Flush(); err != nil { // the first error of all writes of the scene, which bufio.Writer keeps
			return err
		}
	}
	return nil
}

// handOver is symmetric: left and right switch to each other by name, and there is no scheduler.
func handOver(w io.Writer) error {
	return greenlet.Run(func(*greenlet.Greenlet) error {
		var left, right *greenlet.Greenlet
		left = greenlet.New(func(any) (any, error) {
			for i := range 3 {
				fmt.Fprintln(w, "left ", i)
				if _, err := right.Switch(nil); err != nil {
					return nil, err
				}
			}
			return "the result of left goes to its parent", nil
		})
		right = greenlet.New(func(any) (any, error) {
			for i := 0; ; i++ {
				fmt.Fprintln(w, "         right", i)
				if _, err := left.Switch(nil); err != nil {
					return nil, err // the end of Run
				}
			}
		})
		result, err := left.Switch(nil)
		if err == nil {
			fmt.Fprintln(w, result)
		}
		return err
	})
}

// permutations takes the values that two recursive functions yield, one from each in turn.
func permutations(w io.Writer) error {
	of := func(s string) (next func() (string, bool), stop func()) {
		return greenlet.Pull(func(yield func(string) bool) { permute([]byte(s), 0, yield) })
	}
	letters, stop := of("abc")
	defer stop()
	digits, stop := of("123")
	defer stop()
	for l, ok := letters(); ok; l, ok = letters() {
		d, _ := digits()
		fmt.Fprintln(w, l, d)
	}
	return nil
}

// permute yields the permutations of s[k:] behind s[:k].
func permute(s []byte, k int, yield func(string) bool) bool {
	if k == len(s) {
		return yield(string(s))
	}
	for i := k; i < len(s); i++ {
		s[k], s[i] = s[i], s[k]
		more := permute(s, k+1, yield)
		s[k], s[i] = s[i], s[k]
		if !more {
			return false
		}
	}
	return true
}

// sortInsideOut sorts in one greenlet and compares in another.
func sortInsideOut(w io.Writer) error {
	type question struct{ a, b string }
	words := strings.Fields("pear fig apple plum")
	return greenlet.Run(func(*greenlet.Greenlet) error {
		var sorter, judge *greenlet.Greenlet
		sorter = greenlet.New(func(any) (_ any, failed error) {
			libc.Sort(words, func(a, b string) int {
				if failed != nil {
					return 0 // qsort cannot be stopped
				}
				var answer any
				if answer, failed = judge.Switch(question{a, b}); failed != nil {
					return 0
				}
				return answer.(int)
			})
			return words, failed
		})
		judge = greenlet.New(func(v any) (_ any, err error) {
			for err == nil {
				q := v.(question)
				answer := strings.Compare(q.a, q.b)
				fmt.Fprintf(w, "qsort: %5s or %s?  judge: %s\n", q.a, q.b, min(q.a, q.b))
				v, err = sorter.Switch(answer)
			}
			return nil, err // the end of Run
		})
		sorted, err := sorter.Switch(nil)
		if err == nil {
			fmt.Fprintf(w, "sorted: %v\n", sorted)
		}
		return err
	})
}

// indented is a writer that indents each line that is not empty.
type indented struct {
	w     io.Writer
	start bool // the next byte begins a line
}

func (i *indented) Write(p []byte) (n int, err error) {
	for line := range strings.Lines(string(p)) {
		if i.start && line != "\n" {
			line = "   " + line
		}
		i.start = strings.HasSuffix(line, "\n")
		if _, err := io.WriteString(i.w, line); err != nil {
			return 0, err
		}
	}
	return len(p), nil
}
