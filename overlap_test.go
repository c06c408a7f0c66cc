//go:build cgo && linux

package greenlet

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

// Instants between two steps of one operation at which another goroutine does something. They
// are met here by calling the steps one by one.

func elsewhere(f func()) {
	done := make(chan bool)
	go func() { defer close(done); f() }()
	<-done
}

// A Switch to the root of a Run that has returned is refused in the goroutine's next one,
// although that one's root has the same coroutine.
func TestSwitchToTheRootOfARunThatHasReturned(t *testing.T) {
	for name, options := range map[string][]Option{"bound": nil, "WithoutLock": {WithoutLock()}} {
		t.Run(name, func(t *testing.T) {
			elsewhere(func() {
				var old *Greenlet
				assert.NoError(t, Run(func(root *Greenlet) error { old = root; return nil }, options...))
				assert.NoError(t, Run(func(root *Greenlet) error {
					g := New(func(any) (any, error) {
						_, err := old.Switch("to nobody")
						assert.ErrorIs(t, err, ErrThreadExited)
						return "ended", nil
					})
					v, err := g.Switch(nil)
					assert.NoError(t, err)
					assert.Equal(t, "ended", v)
					assert.True(t, Current() == root)
					assert.True(t, g.Dead())
					return nil
				}, options...))
			})
		})
	}
}
