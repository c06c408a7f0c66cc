//go:build cgo && linux

package greenlet_test

import (
	"io"
	"iter"
	"math/rand/v2"
	"runtime"
	"runtime/pprof"
	"runtime/trace"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-greenlet/greenlet"
	"github.com/go-greenlet/greenlet/internal/cgotest"
)

// Trees that are free, tied from time to time, and locked, on many goroutines: their
// greenlets block, compute, need stack, call C and are suspended there, use iter.Pull, and
// pass generators to each other; goroutines end in the midst of it; and meanwhile there are
// collections, profiles and traces.
func TestStressOfFreeTrees(t *testing.T) {
	needsFree(t)
	lasts := 2 * time.Second
	if !testing.Short() {
		lasts = 20 * time.Second
	}
	end := time.Now().Add(lasts)
	over := func() bool { return time.Now().After(end) || t.Failed() }
	var observers, all sync.WaitGroup
	observe := func(f func()) {
		observers.Add(1)
		go func() {
			defer observers.Done()
			for !over() {
				f()
			}
		}()
	}
	observe(func() { runtime.GC(); time.Sleep(time.Millisecond) })
	observe(func() {
		_, _ = runtime.GoroutineProfile(make([]runtime.StackRecord, 1000))
		runtime.Stack(make([]byte, 1<<16), true)
		time.Sleep(5 * time.Millisecond)
	})
	if !testing.Short() && emulator == "" {
		observe(func() {
			if trace.Start(io.Discard) == nil {
				time.Sleep(5 * time.Millisecond)
				trace.Stop()
			}
			time.Sleep(20 * time.Millisecond)
		})
		observe(func() {
			if pprof.StartCPUProfile(io.Discard) == nil {
				time.Sleep(100 * time.Millisecond)
				pprof.StopCPUProfile()
			}
		})
	}
	passed := make(chan *generator, 64)
	var hops, trees atomic.Int64
	for k := range 16 {
		all.Add(1)
		go func() {
			defer all.Done()
			for n := uint64(0); !over(); n++ {
				r := rand.New(rand.NewPCG(uint64(k), n))
				onGoroutine(func() {
					s := &stressed{t: t, r: r, passed: passed, hops: &hops}
					if r.IntN(4) == 0 {
						assert.NoError(t, greenlet.Run(func(*greenlet.Greenlet) error { s.tree(); return nil }))
					} else {
						s.tree()
					}
				})
				trees.Add(1)
			}
		}()
	}
	all.Wait()
	observers.Wait()
	t.Logf("%d hops in %d trees, %d threads at the end", hops.Load(), trees.Load(), threads())
}

// A generator counts, whoever asks.
type generator struct {
	next func() (int, bool)
	want int
}

type stressed struct {
	t      *testing.T
	r      *rand.Rand
	passed chan *generator
	hops   *atomic.Int64
	root   *greenlet.Greenlet
	all    []*greenlet.Greenlet
	dying  map[*greenlet.Greenlet]bool
}

func (s *stressed) tree() {
	s.root = greenlet.Current()
	s.dying = map[*greenlet.Greenlet]bool{}
	s.all = make([]*greenlet.Greenlet, 6)
	left := len(s.all)
	for i := range s.all {
		s.all[i] = greenlet.New(func(any) (any, error) {
			defer func() { left-- }()
			for range 8 {
				s.something(0)
				if !s.hop() { // also if one in s.something has been refused
					return nil, greenlet.ErrExit
				}
			}
			return nil, nil
		})
	}
	leave := s.r.IntN(8) == 0 // some behind
	for left > 0 {
		if leave && s.r.IntN(20) == 0 {
			return
		}
		for _, g := range s.all {
			if !g.Dead() {
				_, err := g.Switch(nil)
				require.NoError(s.t, err)
			}
		}
		s.something(0)
	}
}

// hop switches to somebody, and says whether the greenlet is to go on.
func (s *stressed) hop() bool {
	s.hops.Add(1)
	me := greenlet.Current()
	if s.dying[me] {
		return false
	}
	to := s.root
	if k := s.r.IntN(len(s.all) + 1); k < len(s.all) && !s.all[k].Dead() {
		to = s.all[k]
	}
	_, err := to.Switch(nil)
	s.dying[me] = err != nil
	return err == nil
}

func (s *stressed) something(depth int) {
	switch s.r.IntN(11) {
	case 0:
		time.Sleep(time.Duration(s.r.IntN(50)) * time.Microsecond)
	case 1:
		for range s.r.IntN(20_000) {
		}
	case 2:
		deepen(s.r.IntN(100))
	case 3:
		cgotest.Call(func() {})
	case 4, 5:
		if depth < 3 {
			local := s.r.Int()
			kept := local
			cgotest.Call(func() {
				s.something(depth + 1)
				if s.hop() {
					s.something(depth + 1)
				}
			})
			assert.Equal(s.t, kept, local)
		}
	case 6:
		runtime.Gosched()
	case 7:
		if depth == 0 { // in a call from C, Go's own tracer does not stand it
			next, stop := iter.Pull(count(3))
			for i := range 3 {
				v, _ := next()
				assert.Equal(s.t, i, v)
			}
			stop()
		}
	case 8:
		onGoroutine(func() {
			next, stop := greenlet.Pull(countInC(4))
			for i := range 3 {
				v, _ := next()
				assert.Equal(s.t, i, v)
			}
			stop()
		})
	case 9, 10:
		s.pass()
	}
}

// pass takes a generator that somebody else has left, or makes one, and leaves it for others.
func (s *stressed) pass() {
	var g *generator
	select {
	case g = <-s.passed:
	default:
		if currentIsOfRun() {
			return // they stay in their Run
		}
		g = &generator{}
		g.next, _ = greenlet.Pull(count(1 << 30))
	}
	for range 3 {
		v, ok := g.next()
		if !assert.True(s.t, ok) || !assert.Equal(s.t, g.want, v) {
			return
		}
		g.want++
	}
	if currentIsOfRun() {
		return
	}
	select {
	case s.passed <- g:
	default:
	}
}

// currentIsOfRun says whether the calling goroutine's tree is bound to a thread.
func currentIsOfRun() bool { return !greenlet.FreeTree() }

//go:noinline
func deepen(n int) int {
	var a [64]int
	if n == 0 {
		return 0
	}
	a[n%64] = n
	return deepen(n-1) + a[n%64] - n
}
