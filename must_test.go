package greenlet_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-greenlet/greenlet"
)

func TestASwitchWhoseErrorIsIgnoredOutlivesItsKill(t *testing.T) {
	tree(t, func(root *greenlet.Greenlet) {
		g := greenlet.New(func(any) (any, error) {
			_, _ = root.Switch(1)
			return root.Switch(2)
		})
		value(t, 1)(g.Switch(nil))
		assert.ErrorContains(t, g.Kill(), "lives")
		assert.False(t, g.Dead())
	})
}

func TestMustSwitch(t *testing.T) {
	tree(t, func(root *greenlet.Greenlet) {
		var steps []any
		g := greenlet.New(func(v any) (any, error) {
			defer func() { steps = append(steps, "deferred") }()
			for {
				v = root.MustSwitch(v)
				steps = append(steps, v)
			}
		})
		value(t, 1)(g.Switch(1))
		value(t, nil)(g.Switch(nil))
		value(t, 2)(g.Switch(2))
		require.NoError(t, g.Kill())
		assert.True(t, g.Dead())
		assert.Equal(t, []any{nil, 2, "deferred"}, steps)

		// As what its parent gets: an error, and ErrExit as a value.
		must := func(any) (any, error) { return root.MustSwitch(nil), nil }
		g = greenlet.New(must)
		value(t, nil)(g.Switch(nil))
		fails(t, errSome)(g.Throw(errSome))
		g = greenlet.New(must)
		value(t, nil)(g.Switch(nil))
		value(t, greenlet.ErrExit)(g.Throw(nil))

		// An error of the switch itself, at any depth.
		g = greenlet.New(func(any) (any, error) {
			func() { greenlet.New(nil).MustSwitch(nil) }()
			return "not reached", nil
		})
		_, err := g.Switch(nil)
		require.ErrorIs(t, err, greenlet.ErrNoRun)

		// A panic is one, and not an error.
		g = greenlet.New(func(any) (any, error) {
			return greenlet.New(func(any) (any, error) { panic("boom") }).MustSwitch(nil), nil
		})
		p, _ := recovered(func() { _, _ = g.Switch(nil) }).(*greenlet.PanicError)
		require.NotNil(t, p)
		assert.Equal(t, "boom", p.Value)

		// A body may recover, and sees the error.
		g = greenlet.New(func(any) (v any, err error) {
			defer func() { err, _ = recover().(error); v = nil }()
			return root.MustSwitch(nil), nil
		})
		value(t, nil)(g.Switch(nil))
		_, err = g.Throw(errSome)
		require.ErrorIs(t, err, errSome)
	})
}

func TestMustSwitchAtARoot(t *testing.T) {
	tree(t, func(root *greenlet.Greenlet) {
		assert.Equal(t, 1, root.MustSwitch(1))
		p := recovered(func() { greenlet.New(returns(nil, errSome)).MustSwitch(nil) })
		assert.Equal(t, errSome, p)
	})
	// One that is not even a root.
	var none *greenlet.Greenlet
	assert.ErrorContains(t, recovered(func() { none.MustSwitch(nil) }).(error), "was not made by New")
	assert.Equal(t, errSome, recovered(func() { greenlet.New(returns(nil, errSome)).MustSwitch(nil) }))
}

// In the body of an iterator, and in the caller of its next.
func TestMustSwitchInAnIterator(t *testing.T) {
	tree(t, func(root *greenlet.Greenlet) {
		var seq *greenlet.Greenlet
		deferred := 0
		next, stop := greenlet.Pull(func(yield func(int) bool) {
			defer func() { deferred++ }()
			seq = greenlet.Current()
			root.MustSwitch(nil)
		})
		caller := greenlet.New(func(any) (any, error) {
			defer func() { deferred++ }()
			next()
			return nil, nil
		})
		value(t, nil)(caller.Switch(nil))
		fails(t, errSome)(seq.Throw(errSome)) // by next, whose caller it unwinds
		assert.Equal(t, 2, deferred)
		assert.True(t, caller.Dead() && seq.Dead())
		stop()
	})
}
