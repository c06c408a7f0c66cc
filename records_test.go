//go:build cgo && linux

package greenlet_test

import (
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/go-greenlet/greenlet"
	"github.com/go-greenlet/greenlet/internal/cgotest"
)

// A greenlet that waits in a Switch is moved twice, and the second tree has the engine's
// record of the first one, which has ended: the value comes all the same.
func TestATreeDoesNotGetTheRecordThatAMovedOneKnows(t *testing.T) {
	needsFree(t)
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1)) // records are kept for each processor
	for range 10 {
		between, last := make(chan *greenlet.Greenlet), make(chan *greenlet.Greenlet)
		moved, again, done := make(chan *greenlet.Greenlet), make(chan *greenlet.Greenlet), make(chan bool)
		go func() {
			between <- greenlet.Current()
			g := <-moved
			assert.NoError(t, g.SetParent(<-last))
			again <- g
		}()
		first := make(chan bool)
		go func() {
			defer close(done)
			<-first
			last <- greenlet.Current()
			v, err := (<-again).Switch("there")
			assert.NoError(t, err)
			assert.Equal(t, "there", v)
		}()
		go func() {
			root := <-between
			var s, g, h *greenlet.Greenlet
			s = greenlet.New(func(any) (any, error) {
				h.MustSwitch(nil)
				h.MustSwitch(nil)
				return nil, nil
			})
			g = greenlet.New(func(any) (any, error) { return s.Switch(nil) }) // by the short way
			h = greenlet.New(func(any) (any, error) {
				s.MustSwitch(nil)
				g.MustSwitch(nil)
				assert.NoError(t, g.SetParent(root))
				s.MustSwitch(nil)
				return nil, nil
			})
			value(t, nil)(h.Switch(nil))
			value(t, nil)(h.Switch(nil)) // and the tree ends
			close(first)
			moved <- g
		}()
		<-done
	}
}

// A greenlet is moved to one whose tree, of which nobody knows the root, ends just then. It
// ends in any case: with the goroutine there, or with its own.
func TestATreeEndsAsOneIsMovedToIt(t *testing.T) {
	needsFree(t)
	lasts := time.Second
	if !testing.Short() {
		lasts = 5 * time.Second
	}
	var made int
	var ended atomic.Int64
	for end := time.Now().Add(lasts); time.Now().Before(end); made++ {
		var there atomic.Pointer[greenlet.Greenlet]
		ends, moves := make(chan bool), make(chan bool)
		go func() {
			defer close(ends)
			_, err := greenlet.New(func(any) (any, error) {
				there.Store(greenlet.Current())
				for range 50 + made%97 {
				}
				return nil, nil
			}).Switch(nil)
			assert.NoError(t, err)
		}()
		go func() {
			defer close(moves)
			g := greenlet.New(func(any) (any, error) {
				defer ended.Add(1)
				return greenlet.Current().Parent().Switch(nil)
			})
			value(t, nil)(g.Switch(nil))
			for there.Load() == nil {
				runtime.Gosched()
			}
			for range made % 211 {
			}
			if err := g.SetParent(there.Load()); err != nil { // that tree has ended before
				assert.ErrorIs(t, err, greenlet.ErrThreadExited)
			}
		}()
		<-ends
		<-moves
	}
	collectUntil(t, func() bool { return ended.Load() == int64(made) })
}

// A tree is tied by a lock, and then another one of its greenlets is suspended in C.
func TestATreeTiedByALockIsLeftFromC(t *testing.T) {
	needsFree(t)
	onGoroutine(func() {
		next, stop := greenlet.Pull(func(yield func(int) bool) {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			for i := 0; yield(i); i++ {
			}
		})
		defer stop()
		v, ok := next()
		assert.True(t, ok)
		assert.Equal(t, 0, v)
		cgotest.Call(func() {
			v, ok := next()
			assert.True(t, ok)
			assert.Equal(t, 1, v)
		})
	})
}

// A greenlet that ends with its thread locked takes the locks with it: whoever runs next on
// its goroutine is not locked, nor is the tree.
func TestAnEndUnlocksTheThread(t *testing.T) {
	needsFree(t)
	onGoroutine(func() {
		greenlet.Current()
		for range 3 {
			g := greenlet.New(func(any) (any, error) {
				assert.False(t, locked())
				runtime.LockOSThread()
				return nil, nil
			})
			value(t, nil)(g.Switch(nil))
			assert.False(t, locked())
		}
	})
}
