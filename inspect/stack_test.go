//go:build cgo && linux

package inspect_test

import (
	"fmt"
	"iter"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-greenlet/greenlet"
	"github.com/go-greenlet/greenlet/internal/cgotest"
)

//go:noinline
func waitsHere(root *greenlet.Greenlet) error {
	_, err := root.Switch(nil)
	return err
}

// On the engine of one M, Stack works from another thread, whatever the greenlet is suspended in and
// however its tree is bound. On another engine it returns nil, and SuspendedAt is zero.
func TestStacksFromAnotherThread(t *testing.T) {
	inC := func(root *greenlet.Greenlet) (err error) {
		cgotest.Call(func() { err = waitsHere(root) })
		return err
	}
	kinds := []struct {
		name string
		body func(root *greenlet.Greenlet) error
		opts []greenlet.Option
	}{
		{"in Go", waitsHere, nil},
		{"in C", inC, nil},
		{"in C in C", func(root *greenlet.Greenlet) (err error) {
			cgotest.Call(func() { err = inC(root) })
			return err
		}, nil},
		{"with a C stack of its own", waitsHere, []greenlet.Option{greenlet.WithStackSize(128 << 10)}},
		{"locked to its thread", func(root *greenlet.Greenlet) error {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			return waitsHere(root)
		}, nil},
		{"in an iterator of its own", func(root *greenlet.Greenlet) (err error) {
			next, stop := greenlet.Pull(iter.Seq[int](func(func(int) bool) { err = waitsHere(root) }))
			defer stop()
			_, _ = next()
			return err
		}, nil},
		{"deep", func(root *greenlet.Greenlet) error { return deep(root, 300) }, nil},
	}
	see := func(t *testing.T, all []*greenlet.Greenlet) {
		done := make(chan struct{})
		go func() {
			defer close(done)
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			for i, g := range all {
				stack, place := g.Stack(), g.Info().SuspendedAt
				if !oneM() {
					assert.Nil(t, stack, kinds[i].name)
					assert.Zero(t, place, kinds[i].name)
					continue
				}
				if kinds[i].name == "in an iterator of its own" { // it waits in next, for the iterator that is suspended in waitsHere
					assert.Contains(t, fmt.Sprint(stack), "TestStacksFromAnotherThread", kinds[i].name)
					continue
				}
				assert.Contains(t, place.Function, "waitsHere", kinds[i].name)
				assert.Contains(t, fmt.Sprint(stack), "waitsHere", kinds[i].name)
				assert.Contains(t, fmt.Sprint(stack), "TestStacksFromAnotherThread", kinds[i].name)
				if kinds[i].name == "deep" {
					assert.Greater(t, len(stack), 300)
				}
			}
		}()
		<-done
	}
	begin := func(t *testing.T, root *greenlet.Greenlet, kind int) *greenlet.Greenlet {
		k := kinds[kind]
		g := greenlet.New(func(any) (any, error) { return nil, k.body(root) }, k.opts...)
		_, err := g.Switch(nil)
		require.NoError(t, err)
		return g
	}
	together := func(t *testing.T, root *greenlet.Greenlet) {
		var all []*greenlet.Greenlet
		for i := range kinds {
			all = append(all, begin(t, root, i))
			see(t, all) // the earlier ones, too, since the new one may have tied the tree to its thread
		}
		for i := len(all) - 1; i >= 0; i-- {
			assert.NoError(t, all[i].Kill())
			see(t, all[:i])
		}
	}
	t.Run("of a thread", func(t *testing.T) { tree(t, func(root *greenlet.Greenlet) { together(t, root) }) })
	t.Run("of a goroutine", func(t *testing.T) {
		done := make(chan struct{})
		go func() {
			defer close(done)
			together(t, greenlet.Current())
		}()
		<-done
	})
	t.Run("of a thread that C has made", func(t *testing.T) {
		require.NoError(t, cgotest.OnThread(func() { tree(t, func(root *greenlet.Greenlet) { together(t, root) }) }))
	})
	t.Run("taken over", func(t *testing.T) {
		if !oneM() {
			t.Skip("a root is bound to its thread there")
		}
		next, stop := greenlet.Pull(func(yield func(int) bool) {
			for yield(1) {
			}
		})
		_, _ = next()
		owners := func() (roots []uint64, g *greenlet.Greenlet) {
			for o := range greenlet.All() {
				if i := o.Info(); !o.IsRoot() && strings.Contains(i.SuspendedAt.Function, "TestStacksFromAnotherThread") {
					roots, g = append(roots, i.Root), o
				}
			}
			return roots, g
		}
		before, g := owners()
		require.Len(t, before, 1)
		taken, seen, done := make(chan struct{}), make(chan struct{}), make(chan struct{})
		go func() {
			defer close(done)
			_, _ = next()
			close(taken)
			<-seen
			stop()
		}()
		<-taken
		after, same := owners()
		require.Len(t, after, 1)
		assert.Same(t, g, same)
		assert.NotEqual(t, before, after, "it is in another tree")
		assert.Contains(t, fmt.Sprint(g.Stack()), "TestStacksFromAnotherThread")
		close(seen)
		<-done
	})
}

//go:noinline
func deep(root *greenlet.Greenlet, n int) error {
	if n == 0 {
		return waitsHere(root)
	}
	err := deep(root, n-1)
	return err
}
