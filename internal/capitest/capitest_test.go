package capitest_test

import (
	"errors"
	"runtime"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-greenlet/greenlet"
	"github.com/go-greenlet/greenlet/internal/capitest"
	"github.com/go-greenlet/greenlet/internal/handle"
)

// run calls f in a tree and looks for handles that are left over.
func run(t *testing.T, f func(root *greenlet.Greenlet)) {
	t.Helper()
	require.NoError(t, greenlet.Run(func(root *greenlet.Greenlet) error { f(root); return nil }))
}

// C programs in C alone, on a goroutine's thread and on their own.
func TestSuitesInC(t *testing.T) {
	for name, suite := range capitest.Suites {
		t.Run(name, func(t *testing.T) {
			before := handle.Live()
			run(t, func(*greenlet.Greenlet) {
				for range 3 {
					require.NoError(t, suite())
				}
			})
			runtime.GC()
			assert.Less(t, handle.Live()-before, 100, "handles that are left")
		})
	}
}

func TestABodyInC(t *testing.T) {
	run(t, func(root *greenlet.Greenlet) {
		g := greenlet.NewC(capitest.Echo, nil, greenlet.WithName("in C"))
		handles := handle.Live()
		type thing struct{ n int }
		x := &thing{7}
		for _, v := range []any{nil, x, "text", 3.5, uintptr(5), unsafe.Pointer(capitest.Echo), root} {
			got, err := g.Switch(v)
			require.NoError(t, err)
			assert.Equal(t, v, got)
		}
		assert.LessOrEqual(t, handle.Live(), handles+3, "each handle is used up")
		oops := errors.New("oops")
		_, err := g.Throw(oops)
		assert.Equal(t, oops, err, "the same error that it was")
		assert.True(t, g.Dead())

		_, err = greenlet.NewC(nil, nil).Switch(1)
		assert.ErrorIs(t, err, greenlet.ErrNoRun)

		g = greenlet.NewC(capitest.Echo, nil)
		_, err = g.Switch(1)
		require.NoError(t, err)
		_, err = g.Throw(greenlet.CError(9))
		assert.Equal(t, greenlet.CError(9), err)
		assert.EqualError(t, err, "C code 9")

		g = greenlet.NewC(capitest.Echo, nil)
		_, err = g.Switch(1)
		require.NoError(t, err)
		require.NoError(t, g.Kill())
	})
}

// Go functions as bodies of greenlets that C makes, and what becomes of their ends.
func TestABodyInGoMadeByC(t *testing.T) {
	run(t, func(*greenlet.Greenlet) {
		start := func(f func(any) (any, error)) (any, error) {
			return greenlet.NewC(capitest.Start, nil).Switch(f)
		}
		v, err := start(func(v any) (any, error) { return v.(uintptr) * 6, nil })
		require.NoError(t, err)
		assert.Equal(t, uintptr(42), v)

		oops := errors.New("oops")
		_, err = start(func(any) (any, error) { return nil, oops })
		assert.Equal(t, oops, err)

		// A panic goes through C as a code, and goes on.
		p := func() (p any) {
			defer func() { p = recover() }()
			_, _ = start(func(any) (any, error) { panic("ouch") })
			return nil
		}()
		require.IsType(t, &greenlet.PanicError{}, p)
		assert.Equal(t, "ouch", p.(*greenlet.PanicError).Value)

		_, err = greenlet.NewC(capitest.Start, nil).Switch("no function")
		assert.ErrorContains(t, err, "greenlet_new_go of a string")
	})
}

// A greenlet that has asked for itself in C is forgotten all the same.
func TestItsOwnReferenceDoesNotHoldIt(t *testing.T) {
	run(t, func(*greenlet.Greenlet) {
		before := handle.Live()
		for range 100 {
			_, err := greenlet.NewC(capitest.Echo, nil).Switch(nil)
			require.NoError(t, err)
		}
		require.Greater(t, handle.Live(), before+100)
		for range 50 {
			runtime.GC()
			_, err := greenlet.New(func(any) (any, error) { return nil, nil }).Switch(nil)
			require.NoError(t, err)
		}
		assert.Less(t, handle.Live(), before+100)
	})
}
