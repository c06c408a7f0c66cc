//go:build cgo && linux && go1.25

package greenlet

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
)

// In a bubble of testing/synctest no tree is used that was made outside of it, nor the other way round.
func TestABubbleUsesNoIdleTree(t *testing.T) {
	needsFreeTrees(t)
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
	bubble := func(f func()) { synctest.Test(t, func(*testing.T) { f() }) }
	here := func(f func()) { f() }
	for name, in := range map[string]struct{ first, then func(f func()) }{
		"inside":  {here, bubble},
		"outside": {bubble, here},
	} {
		t.Run(name, func(t *testing.T) {
			met := false
			for began := time.Now(); !met && time.Since(began) < time.Minute; {
				endIdleTrees()
				used := map[uintptr]bool{}
				in.first(func() {
					each(func() {
						g := once(t).rootG
						assert.Nil(t, treeHere())
						mu.Lock()
						used[g] = true
						mu.Unlock()
					})
				})
				in.then(func() {
					each(func() {
						next, stop := Pull(upwards)
						defer stop()
						next()
						assert.Equal(t, name == "inside", treeHere().carrier.Bubble())
						mu.Lock()
						met = met || used[treeHere().rootG]
						mu.Unlock()
					})
				})
			}
			assert.True(t, met, "a g was used again")
		})
	}
}
