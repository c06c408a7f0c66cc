//go:build greenlet_foreign && cgo && linux

package cxx_test

import (
	"math/rand/v2"
	"runtime"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-greenlet/greenlet"
	"github.com/go-greenlet/greenlet/internal/foreign/cxx"
)

// Greenlets throw, catch and rethrow, and suspend in catch blocks and in the
// destructors in between, through Go and through C. Each finds its own exceptions.
// Who resumes them handles one, too.
func TestExceptionsStayWithTheirGreenlet(t *testing.T) {
	const n = 50
	require.NoError(t, greenlet.Run(func(*greenlet.Greenlet) error {
		ids := map[*greenlet.Greenlet]int{}
		var running []*greenlet.Greenlet
		for id := 1; id <= n; id++ {
			p := uintptr(id)
			g := greenlet.NewC(cxx.Handle, *(*unsafe.Pointer)(unsafe.Pointer(&p)))
			ids[g] = id
			running = append(running, g)
		}
		step := func() {
			i := rand.IntN(len(running))
			g := running[i]
			v, err := g.Switch(nil)
			require.NoError(t, err)
			if g.Dead() {
				assert.EqualValues(t, ids[g]+ids[g]%5, v)
				running[i] = running[len(running)-1]
				running = running[:len(running)-1]
			}
			if rand.IntN(50) == 0 {
				runtime.GC()
			}
		}
		for len(running) > 0 {
			if rand.IntN(2) == 0 {
				step()
				continue
			}
			require.Zero(t, cxx.InCatch(func() {
				for range 3 {
					if len(running) > 0 {
						step()
					}
				}
			}))
		}
		return nil
	}))
	assert.Zero(t, cxx.InCatch(func() {}))
}

// What would have been std::terminate is an error of the parent's, and everything on
// the C++ stack has been destroyed, and the exception itself.
func TestAnExceptionEndsAtTheBody(t *testing.T) {
	for kind, want := range map[string]string{
		"standard": "std::runtime_error: no more wine",
		"derived":  "shop::closed: on Mondays",
		"number":   "int",
		"pointer":  "char const*",
		"hidden":   "(anonymous namespace)::hidden",
		"both":     "both: and other",
		"virtual":  "far: virtually",
		"nested":   "",
		"other":    "",
		"again":    "std::runtime_error: kept",
		"late":     "std::bad_alloc: std::bad_alloc",
		"rethrown": "std::out_of_range: far",
		"counted":  "living",
		"parting":  "parting",
		"foreign":  "an exception of a language other than C++",
	} {
		require.NoError(t, greenlet.Run(func(*greenlet.Greenlet) error {
			arg, free := cxx.Arg(kind)
			defer free()
			g := greenlet.NewC(cxx.Escape, arg)
			_, err := g.Switch(nil)
			for !g.Dead() {
				require.NoError(t, err)
				nothing(t) // meanwhile
				_, err = g.Switch(nil)
			}
			switch kind {
			case "nested": // whose own name differs with the C++ library
				assert.ErrorContains(t, err, "<std::runtime_error>: around it")
			case "other": // LLVM's does not tell the name
				assert.Regexp(t, "left a C\\+\\+ body: (Odd|an exception of another C\\+\\+ runtime)$", err.Error())
			default:
				assert.EqualError(t, err, "greenlet: an exception left a C++ body: "+want)
			}
			look(t)
			return nil
		}))
		assert.Zero(t, cxx.Alive(), kind)
	}
	assert.Zero(t, cxx.InCatch(func() {}))
}

// look runs a body on the worker that was free last, which must have no exceptions.
func look(t *testing.T) {
	t.Helper()
	v, err := greenlet.NewC(cxx.Look, cxx.Look).Switch(nil)
	require.NoError(t, err)
	assert.Nil(t, v)
}

// A panic of Go's that leaves a catch block of C++ does not leave its exception to the
// next greenlet.
func TestAPanicOutOfACatchBlock(t *testing.T) {
	require.NoError(t, greenlet.Run(func(*greenlet.Greenlet) error {
		g := greenlet.NewC(cxx.Panic, nil)
		assert.Panics(t, func() {
			for !g.Dead() {
				_, err := g.Switch(nil)
				require.NoError(t, err)
				look(t)
			}
		})
		assert.True(t, g.Dead())
		look(t)
		return nil
	}))
}

// nothing runs a body that throws nothing.
func nothing(t *testing.T) {
	t.Helper()
	arg, free := cxx.Arg("nothing")
	defer free()
	_, err := greenlet.NewC(cxx.Escape, arg).Switch(nil)
	assert.NoError(t, err)
}

func TestABodyThatThrowsNothing(t *testing.T) { nothing(t) }

func TestUnfinishedHandlers(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	assert.Empty(t, cxx.Unfinished())
}

// LLVM's C++ runtime frees its record of exceptions at the end of a thread, before
// what is suspended there is given up. The Makefile has the C library fill what is free.
func TestThreadsThatEndWithSuspendedGreenlets(t *testing.T) {
	for range 50 {
		done := make(chan bool)
		go func() {
			defer close(done)
			runtime.LockOSThread() // and never unlocked: the thread ends
			root := greenlet.Current()
			for range 3 {
				_, err := greenlet.New(func(any) (any, error) {
					cxx.InCatch(func() {})
					return root.Switch(nil)
				}).Switch(nil)
				assert.NoError(t, err)
			}
		}()
		<-done
	}
}
