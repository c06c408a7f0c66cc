//go:build cgo && linux

package ucontext_test

import (
	"iter"
	"testing"

	"github.com/go-greenlet/greenlet"
	"github.com/go-greenlet/greenlet/internal/cgotest"
	"github.com/go-greenlet/greenlet/internal/foreign"
)

func testFiberPull(t *testing.T, tied bool) {
	needsOneM(t)
	l := library(t)
	done := make(chan bool)
	go func() {
		defer close(done)
		root := greenlet.Current()
		if tied {
			g := greenlet.New(func(back any) (v any, err error) {
				cgotest.Call(func() { v, err = back.(*greenlet.Greenlet).Switch(nil) })
				return v, err
			})
			_, _ = g.Switch(root)
			defer func() { _ = g.Kill() }()
		}
		var co *foreign.Coroutine
		co, err := l.New(foreign.Known, func(yield func()) bool {
			next, stop := iter.Pull(func(y func(int) bool) {
				if greenlet.Current() != root {
					t.Error("the body does not run in the root's tree")
				}
				y(1)
			})
			next()
			stop()
			return false
		})
		if err != nil {
			t.Error(err)
			return
		}
		for !co.Done() {
			if err := co.Resume(); err != nil {
				t.Error(err)
				return
			}
		}
		co.Free()
	}()
	<-done
}

// The body of an iter.Pull that a fiber's Go function uses runs in the tree of whoever has resumed the
// fiber, whose goroutine is not one that newcoro has begun there.
func TestAnIterPullOfAFiber(t *testing.T) {
	t.Run("free", func(t *testing.T) { testFiberPull(t, false) })
	t.Run("tied", func(t *testing.T) { testFiberPull(t, true) })
}
