package greenlet_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-greenlet/greenlet"
)

func TestSetParentRefusesACycle(t *testing.T) {
	tree(t, func(root *greenlet.Greenlet) {
		g := greenlet.New(echo)
		assert.ErrorIs(t, g.SetParent(g), greenlet.ErrCyclicParent)
		g2 := greenlet.New(echo, greenlet.WithParent(g))
		g3 := greenlet.New(echo, greenlet.WithParent(g2))
		assert.ErrorIs(t, g.SetParent(g3), greenlet.ErrCyclicParent)
		assert.Same(t, root, g.Parent())
	})
}

func TestSetParentOfARootOrToNilIsAnError(t *testing.T) {
	tree(t, func(root *greenlet.Greenlet) {
		g := greenlet.New(echo)
		assert.ErrorIs(t, root.SetParent(root), greenlet.ErrRootParent)
		assert.ErrorIs(t, root.SetParent(g), greenlet.ErrRootParent)
		assert.ErrorContains(t, g.SetParent(nil), "parent is nil")
		assert.Same(t, root, g.Parent())
	})
}

func TestSetParentIsLegalInEveryState(t *testing.T) {
	tree(t, func(root *greenlet.Greenlet) {
		heir := func() *greenlet.Greenlet {
			h := greenlet.New(func(any) (any, error) {
				v, err := root.Switch(nil)
				return []any{"heir", v}, err
			})
			value(t, nil)(h.Switch(nil))
			return h
		}
		// Pending.
		g := greenlet.New(returns(1, nil))
		require.NoError(t, g.SetParent(heir()))
		value(t, []any{"heir", 1})(g.Switch(nil))
		// Suspended.
		g = greenlet.New(func(any) (any, error) { return root.Switch(nil) })
		value(t, nil)(g.Switch(nil))
		require.NoError(t, g.SetParent(heir()))
		value(t, []any{"heir", 2})(g.Switch(2))
		// Running, by itself.
		h := heir()
		g = greenlet.New(func(any) (any, error) {
			require.NoError(t, greenlet.Current().SetParent(h))
			return 3, nil
		})
		value(t, []any{"heir", 3})(g.Switch(nil))
		// Dead.
		require.NoError(t, g.SetParent(heir()))
		value(t, []any{"heir", 4})(g.Switch(4))
	})
}

func TestAPendingGreenletMovesToAnotherThread(t *testing.T) {
	there := make(chan *greenlet.Greenlet)
	moved := make(chan struct{})
	done := make(chan error)
	go func() {
		done <- greenlet.Run(func(root *greenlet.Greenlet) error {
			g := greenlet.New(func(v any) (any, error) { return []any{greenlet.Current().Parent() == root, v}, nil })
			_ = g.SetParent(greenlet.New(echo)) // it may be moved more than once
			there <- root
			there <- g
			<-moved
			_, err := g.Switch(1)
			return err
		})
	}()
	other, g := <-there, <-there
	tree(t, func(root *greenlet.Greenlet) {
		_, err := g.Switch(1)
		require.ErrorIs(t, err, greenlet.ErrWrongThread)
		assert.ErrorIs(t, greenlet.New(echo).SetParent(g), error(nil)) // pending may go there
		require.NoError(t, g.SetParent(root))
		value(t, []any{false, 5})(g.Switch(5))

		started := greenlet.New(echo)
		value(t, 1)(started.Switch(1))
		require.ErrorIs(t, started.SetParent(other), greenlet.ErrWrongThread)
		assert.Same(t, root, started.Parent())
	})
	close(moved)
	require.ErrorIs(t, <-done, greenlet.ErrThreadExited) // that Run, and so g's tree, is over
}

// The thread of a started greenlet reads its parent without asking anybody.
func TestAStartedGreenletsParentIsSetByItsThreadOnly(t *testing.T) {
	tree(t, func(root *greenlet.Greenlet) {
		other, pending := suspended(t, quietly), greenlet.New(echo)
		g := suspended(t, quietly)
		refused := func() {
			for _, p := range []*greenlet.Greenlet{root, other, pending} {
				err := g.SetParent(p)
				assert.ErrorIs(t, err, greenlet.ErrWrongThread)
				assert.ErrorContains(t, err, g.String())
			}
			assert.ErrorIs(t, g.SetParent(greenlet.New(echo)), greenlet.ErrWrongThread)
		}
		done := make(chan struct{})
		go func() { // with and without greenlets of its own
			defer close(done)
			refused()
			assert.NoError(t, greenlet.Run(func(here *greenlet.Greenlet) error {
				refused()
				assert.ErrorIs(t, g.SetParent(here), greenlet.ErrWrongThread)
				return nil
			}))
			assert.NoError(t, pending.SetParent(other)) // has not started: anybody's business
		}()
		<-done
		assert.Same(t, root, g.Parent())
		assert.Same(t, other, pending.Parent())
		require.NoError(t, g.SetParent(other))
	})
}

func TestAChildWhoseParentWasMovedReportsToItsRoot(t *testing.T) {
	roots := make(chan *greenlet.Greenlet)
	done := make(chan struct{})
	go func() {
		defer close(roots)
		_ = greenlet.Run(func(root *greenlet.Greenlet) error {
			roots <- root
			<-done
			return nil
		})
	}()
	other := <-roots
	tree(t, func(root *greenlet.Greenlet) {
		p := greenlet.New(echo)
		c := greenlet.New(func(any) (any, error) { return root.Switch(nil) }, greenlet.WithParent(p))
		value(t, nil)(c.Switch(nil))
		require.NoError(t, p.SetParent(other)) // p is pending and goes; c is started and stays
		_, err := c.Switch("result")
		assert.ErrorIs(t, err, greenlet.ErrWrongThread)
		assert.True(t, c.Dead())
	})
	close(done)
	<-roots
}

// The parents of pending greenlets decide where they belong.
func TestPendingGreenletsBelongWhereTheirParentsBelong(t *testing.T) {
	a := greenlet.New(echo)
	b := greenlet.New(returns("b", nil), greenlet.WithParent(a))
	assert.Nil(t, a.Parent())
	assert.Same(t, a, b.Parent())
	tree(t, func(root *greenlet.Greenlet) {
		value(t, "b")(b.Switch(nil)) // through echo, which sends it on to its parent: the root
		assert.Same(t, root, a.Parent())
	})
}
