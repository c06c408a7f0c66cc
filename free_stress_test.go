//go:build cgo && linux

package greenlet_test

import (
	"errors"
	"io"
	"iter"
	"math/rand/v2"
	"os"
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
// greenlets block, compute, need stack, call C and are suspended there, use iter.Pull, panic,
// are killed and forgotten, are given away, and pass generators to each other; goroutines end
// in the midst of it; and meanwhile there are collections, profiles, traces, and lookers-on.
// GREENLET_STRESS says how long.
func TestStressOfFreeTrees(t *testing.T) {
	needsFree(t)
	lasts := 2 * time.Second
	if !testing.Short() {
		lasts = 8 * time.Second
	}
	if s := os.Getenv("GREENLET_STRESS"); s != "" {
		var err error
		lasts, err = time.ParseDuration(s)
		require.NoError(t, err)
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
	observe(func() {
		for g := range greenlet.All() {
			_ = g.String()
			_ = g.Info()
			_ = g.Stack()
		}
		time.Sleep(5 * time.Millisecond)
	})
	passed, homes := make(chan *generator, 64), make(chan *greenlet.Greenlet, 16)
	var hops, trees atomic.Int64
	for k := range 16 {
		all.Add(1)
		go func() {
			defer all.Done()
			for n := uint64(0); !over(); n++ {
				r := rand.New(rand.NewPCG(uint64(k), n))
				onGoroutine(func() {
					s := &stressed{t: t, r: r, passed: passed, homes: homes, hops: &hops}
					switch r.IntN(8) {
					case 0, 1:
						s.scope = true
						assert.NoError(t, greenlet.Run(func(*greenlet.Greenlet) error { s.tree(); return nil }))
					case 2:
						s.scope = true
						assert.NoError(t, greenlet.Run(func(*greenlet.Greenlet) error { s.tree(); return nil }, greenlet.WithoutLock()))
					case 3:
						runtime.LockOSThread()
						s.tree()
					default:
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
	homes  chan *greenlet.Greenlet // other roots
	scope  bool                    // it is in a Run
	hops   *atomic.Int64
	root   *greenlet.Greenlet
	all    []*greenlet.Greenlet
	dying  map[*greenlet.Greenlet]bool
}

func (s *stressed) tree() {
	s.root = greenlet.Current()
	s.dying = map[*greenlet.Greenlet]bool{}
	s.all = make([]*greenlet.Greenlet, 6)
	// The greenlets that are left behind end on another goroutine, for which nothing that this one
	// does after its last call of the package happens before.
	var left atomic.Int64
	left.Store(int64(len(s.all)))
	for i := range s.all {
		s.all[i] = greenlet.New(func(any) (any, error) {
			defer left.Add(-1)
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
	for left.Load() > 0 {
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
	switch s.r.IntN(18) {
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
	case 11:
		c := greenlet.NewCoroutine(func(yield func(int) (int, error), n int) error {
			_, err := yield(n)
			assert.NoError(s.t, err)
			panic(errSome)
		})
		out, ok, err := c.Resume(1)
		assert.True(s.t, ok && err == nil && out == 1)
		p, _ := recovered(func() { _, _, _ = c.Resume(2) }).(*greenlet.PanicError)
		assert.True(s.t, p != nil && p.Value == errSome)
	case 12, 13: // killed, or forgotten, on a stack of its own or in C, now and then
		var size greenlet.Option
		if s.r.IntN(3) == 0 {
			size = greenlet.WithStackSize(128 << 10)
		}
		me := greenlet.Current()
		inC := s.r.IntN(3) == 0
		g := greenlet.New(func(any) (any, error) {
			if inC {
				var err error
				cgotest.Call(func() { _, err = me.Switch(nil) })
				return nil, err
			}
			return me.Switch(nil)
		}, size)
		_, err := g.Switch(nil)
		assert.NoError(s.t, err)
		if s.r.IntN(4) != 0 {
			assert.NoError(s.t, g.Kill())
		}
	case 14: // a goroutine ends and leaves some behind
		go func() {
			next, _ := greenlet.Pull(count(10))
			next()
			root := greenlet.Current()
			g := greenlet.New(func(any) (any, error) { return root.Switch(nil) })
			_, _ = g.Switch(nil)
		}()
	case 15:
		s.give()
	case 16:
		var told int
		previous := greenlet.SetTrace(func(greenlet.Event, *greenlet.Greenlet, *greenlet.Greenlet) { told++ })
		_, err := greenlet.New(returns(1, nil)).Switch(nil)
		assert.NoError(s.t, err)
		greenlet.SetTrace(previous)
		assert.GreaterOrEqual(s.t, told, 2)
	case 17:
		for _, g := range s.all {
			g.SetName("somebody")
		}
	}
}

// give gives a greenlet to another goroutine's tree, which does not know it: it is found
// forgotten there. That may be refused.
func (s *stressed) give() {
	me := greenlet.Current()
	g := greenlet.New(func(any) (any, error) { return me.Switch(nil) })
	_, err := g.Switch(nil)
	assert.NoError(s.t, err)
	var to *greenlet.Greenlet
	select {
	case to = <-s.homes:
	default:
	}
	select {
	case s.homes <- s.root:
	default:
	}
	if to == nil || to == s.root {
		assert.NoError(s.t, g.Kill())
		return
	}
	if err := g.SetParent(to); err != nil {
		if !errors.Is(err, greenlet.ErrThreadExited) {
			assert.ErrorIs(s.t, err, greenlet.ErrWrongThread)
		}
		assert.NoError(s.t, g.Kill())
	}
}

// pass takes a generator that somebody else has left, or makes one, and leaves it for others.
func (s *stressed) pass() {
	if s.scope || !greenlet.FreeTree() {
		return // nothing goes in there, or out
	}
	var g *generator
	select {
	case g = <-s.passed:
	default:
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
	if !greenlet.FreeTree() {
		return // it has become a thread's meanwhile
	}
	select {
	case s.passed <- g:
	default:
	}
}

//go:noinline
func deepen(n int) int {
	var a [64]int
	if n == 0 {
		return 0
	}
	a[n%64] = n
	return deepen(n-1) + a[n%64] - n
}
