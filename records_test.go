//go:build cgo && linux

package greenlet_test

import (
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/go-greenlet/greenlet"
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
