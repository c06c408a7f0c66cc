//go:build cgo && linux

package greenlet_test

import (
	"math"
	"runtime"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/assert"

	"github.com/go-greenlet/greenlet"
)

// To let a new goroutine's stack grow takes longer than all the rest of a short life. What
// this package has under a body, and over it at its ends, is to fit into what it begins with.
func TestANewStackNeedNotGrowForAShortLife(t *testing.T) {
	needsFree(t)
	if raceEnabled || runtime.GOARCH != "amd64" {
		t.Skip("the frames are larger: a Coroutine's stack grows on arm64, for which nothing was done about it")
	}
	var moved bool
	lives := map[string]func(){
		"NewCoroutine": func() {
			c := greenlet.NewCoroutine(func(yield func(int) (int, error), v int) error {
				before := stackPointer()
				_, err := yield(v)
				moved = stackPointer() != before
				return err
			})
			_, ok, err := c.Resume(1)
			assert.True(t, ok)
			assert.NoError(t, err)
			assert.NoError(t, c.Stop())
		},
		"Pull": func() {
			next, stop := greenlet.Pull(func(yield func(int) bool) {
				before := stackPointer()
				yield(1)
				moved = stackPointer() != before
			})
			next()
			stop()
		},
	}
	for name, live := range lives {
		assert.LessOrEqual(t, least(func() (moves float64) {
			for range 10 {
				onGoroutine(live)
				if moved {
					moves++
				}
			}
			return moves
		}), 2.0, name) // a collection may come in between
	}
}

// least returns the least of what f returns in five tries. Before each it lets a collection end the trees
// that other tests have left: a tree whose place in the table is taken by another one is found by
// way of a map, with larger frames, and does not become idle.
func least(f func() float64) float64 {
	got := math.Inf(1)
	for range 5 {
		runtime.GC()
		time.Sleep(10 * time.Millisecond)
		got = min(got, f())
	}
	return got
}

// A Pull outside of a Run makes a greenlet and a goroutine, in 6 pieces of memory as iter.Pull. Its
// tree and its worker are those of the Pull before.
func TestALifeOfAPullAllocatesLittle(t *testing.T) {
	needsFree(t)
	if raceEnabled {
		t.Skip("the race detector has allocations of its own")
	}
	allocations := least(func() (n float64) {
		onGoroutine(func() {
			n = testing.AllocsPerRun(100, func() {
				next, stop := greenlet.Pull(count(2))
				next()
				stop()
			})
		})
		return n
	})
	assert.LessOrEqual(t, allocations, 7.0) // a collection takes a tree away
}

// stackPointer is an address in the caller's stack, at the same distance in all calls.
//
//go:noinline
func stackPointer() uintptr {
	var here byte
	return uintptr(unsafe.Pointer(&here))
}
