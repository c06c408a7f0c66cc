//go:build cgo && linux

package greenlet_test

import (
	"encoding/json"
	"fmt"
	"net"
	"os/user"
	"regexp"
	"runtime"
	"runtime/debug"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-greenlet/greenlet"
	"github.com/go-greenlet/greenlet/internal/cgotest"
)

// The smallest stack must do for all that the Go runtime does on it: collections,
// stack growth, panics, timers, name resolution in C.
func TestTheStackFloorIsSafe(t *testing.T) {
	tree(t, func(root *greenlet.Greenlet) {
		work := map[string]func(){
			"collect":  runtime.GC,
			"free":     debug.FreeOSMemory,
			"stats":    func() { runtime.ReadMemStats(new(runtime.MemStats)) },
			"all":      func() { runtime.Stack(make([]byte, 1<<20), true) },
			"grow":     func() { deep(t, root, 0); growStack(10_000) },
			"panic":    func() { recovered(func() { cgotest.Call(thePanickingFunction) }) },
			"fault":    func() { recovered(func() { var p *int; *p = 1 }) },
			"sleep":    func() { time.Sleep(time.Millisecond) },
			"json":     func() { _, _ = json.Marshal(map[string]any{"a": []int{1, 2, 3}, "b": fmt.Sprint(root)}) },
			"regexp":   func() { regexp.MustCompile(`(a|b)*c`).MatchString("ababababc") },
			"lookup":   func() { _, _ = net.LookupHost("localhost") },
			"user":     func() { _, _ = user.Current() },
			"alloc":    func() { runtime.KeepAlive(make([]byte, 64<<20)) },
			"procs":    func() { runtime.GOMAXPROCS(runtime.GOMAXPROCS(0)) },
			"channels": func() { c := make(chan int); go func() { c <- 1 }(); <-c },
			"nest": func() {
				var down func(n int)
				down = func(n int) {
					if n > 0 {
						cgotest.Call(func() { down(n - 1) })
					}
					runtime.GC()
				}
				down(10)
			},
		}
		for name, f := range work {
			g := greenlet.New(func(any) (any, error) {
				f()
				return name, nil
			}, greenlet.WithStackSize(1))
			v, err := g.Switch(nil)
			for !g.Dead() { // "grow" switches on its way
				v, err = g.Switch(nil)
			}
			require.NoError(t, err)
			assert.Equal(t, name, v)
		}
	})
}

//go:noinline
func growStack(n int) int {
	var a [16]int
	if n == 0 {
		return 0
	}
	a[n%16] = n
	return growStack(n-1) + a[n%16]
}
