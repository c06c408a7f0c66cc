//go:build cgo && linux && go1.25

package greenlet

import (
	"sync"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
)

// In a bubble of testing/synctest no tree is used that was made outside of it.
func TestABubbleUsesNoIdleTree(t *testing.T) {
	needsFreeTrees(t)
	idle := map[uintptr]*tree{}
	var mu sync.Mutex
	each := func(f func()) {
		var all sync.WaitGroup
		for range 50 {
			all.Add(1)
			go func() {
				defer all.Done()
				f()
			}()
		}
		all.Wait()
	}
	each(func() {
		in := once(t)
		mu.Lock()
		idle[in.rootG] = in
		mu.Unlock()
	})
	met := 0
	synctest.Test(t, func(t *testing.T) {
		each(func() {
			next, stop := Pull(upwards)
			defer stop()
			next()
			in := treeHere()
			assert.True(t, in.carrier.Bubble())
			mu.Lock()
			if idle[in.rootG] != nil {
				met++
			}
			mu.Unlock()
		})
	})
	assert.Positive(t, met, "a g with an idle tree was used again in the bubble")
}
