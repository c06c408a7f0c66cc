package greenlet_test

import (
	"bytes"
	"runtime"
	"runtime/pprof"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-greenlet/greenlet"
)

// Whoever stops a thread to look at its goroutine, for a profile or a preemption, finds it in
// the middle of a switch as often as anywhere else here, in trees that are bound to their thread
// and in free ones.
func TestSwitchesThatAreLookedAt(t *testing.T) {
	needsThreads(t)
	lasts := 2 * time.Second
	if testing.Short() {
		lasts /= 4
	}
	var prof bytes.Buffer
	require.NoError(t, pprof.StartCPUProfile(&prof))
	end := time.Now().Add(lasts)
	switches := func() {
		g := greenlet.New(echo)
		for n := 0; n%1000 != 0 || time.Now().Before(end); n++ {
			if v, err := g.Switch(n); err != nil || v != n {
				t.Error(v, err)
				return
			}
		}
		assert.NoError(t, g.Kill())
	}
	var wg sync.WaitGroup
	aside := func(f func()) {
		wg.Add(1)
		go func() {
			defer wg.Done()
			f()
		}()
	}
	aside(func() { tree(t, func(*greenlet.Greenlet) { switches() }) })
	aside(func() { tree(t, func(*greenlet.Greenlet) { switches() }) })
	aside(switches)
	collections := 0
	for time.Now().Before(end) {
		runtime.GC()
		collections++
	}
	wg.Wait()
	pprof.StopCPUProfile()
	assert.NotZero(t, prof.Len())
	t.Logf("%d collections, and a profile of %d bytes", collections, prof.Len())
}
