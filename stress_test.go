//go:build cgo && linux

package greenlet_test

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/signal"
	"runtime"
	"runtime/pprof"
	"runtime/trace"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/go-greenlet/greenlet"
	"github.com/go-greenlet/greenlet/inspect"
	"github.com/go-greenlet/greenlet/internal/cgotest"
)

// All that stops, moves, looks at or interrupts goroutines, beside trees on threads of
// Go's and of C's that switch, begin and end in all ways: collections, stops of the
// world, changes of GOMAXPROCS, profiles, traces, dumps, signals, system calls, busy
// goroutines. GREENLET_STRESS=1h does it for longer.
func TestTheProcessorsHandOver(t *testing.T) {
	d := 2 * time.Second
	if testing.Short() {
		d = 500 * time.Millisecond
	}
	if v, err := time.ParseDuration(os.Getenv("GREENLET_STRESS")); err == nil {
		d = v
	}
	// Not both at once: the tracer crashes on what is deferred above a C frame that a
	// panic comes from, without greenlets, too (unwindm in cgocall.go counts the C frame
	// as gone, and it goes by frame pointers then).
	t.Run("traces", func(t *testing.T) {
		needsOneM(t, "there a greenlet's M is another one in a trace")
		handOver(t, d/2, true)
	})
	t.Run("panics out of C", func(t *testing.T) { handOver(t, d/2, false) })
}

func handOver(t *testing.T, d time.Duration, traces bool) {
	stop := make(chan struct{})
	var disturb, work sync.WaitGroup
	repeat := func(pause time.Duration, f func()) {
		disturb.Add(1)
		go func() {
			defer disturb.Done()
			for {
				select {
				case <-stop:
					return
				case <-time.After(pause):
					f()
				}
			}
		}()
	}
	procs := runtime.GOMAXPROCS(0)
	defer runtime.GOMAXPROCS(procs)
	usr1 := make(chan os.Signal, 10)
	signal.Notify(usr1, syscall.SIGUSR1)
	defer signal.Stop(usr1)
	kill := func(s syscall.Signal) func() { return func() { _ = syscall.Kill(syscall.Getpid(), s) } }

	n := 0
	repeat(0, runtime.GC)
	repeat(time.Millisecond, func() { runtime.ReadMemStats(new(runtime.MemStats)) })
	repeat(5*time.Millisecond, func() { n++; runtime.GOMAXPROCS(1 + n%4) })
	repeat(10*time.Millisecond, func() { runtime.Stack(make([]byte, 1<<16), true) })
	repeat(20*time.Millisecond, func() { _ = pprof.Lookup("goroutine").WriteTo(io.Discard, 0) })
	repeat(30*time.Millisecond, func() {
		if pprof.StartCPUProfile(io.Discard) == nil {
			time.Sleep(30 * time.Millisecond)
			pprof.StopCPUProfile()
		}
	})
	repeat(50*time.Millisecond, func() {
		if traces && trace.Start(io.Discard) == nil {
			time.Sleep(20 * time.Millisecond)
			trace.Stop()
		}
	})
	repeat(500*time.Microsecond, kill(syscall.SIGURG)) // what preempts goroutines
	repeat(500*time.Microsecond, kill(syscall.SIGUSR1))
	repeat(0, func() { _ = syscall.Getppid() })
	repeat(0, func() { spin(time.Millisecond) })
	repeat(0, func() { cgotest.Call(func() {}) })
	repeat(time.Millisecond, func() {
		for g := range greenlet.All() {
			_ = g.Info()
			_ = g.Stack()
		}
	})
	repeat(5*time.Millisecond, func() { _ = greenlet.Dump(io.Discard) })
	repeat(20*time.Millisecond, func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
		defer cancel()
		assert.NoError(t, inspect.Record(ctx, io.Discard, inspect.Events(10_000)))
	})
	repeat(30*time.Millisecond, func() {
		greenlet.SetDetail(greenlet.DetailTimes | greenlet.DetailCreation)
		time.Sleep(5 * time.Millisecond)
		greenlet.SetDetail(0)
	})
	defer inspect.Watch(50*time.Millisecond, func(r inspect.Report) { _ = fmt.Sprint(r) })()

	var switches atomic.Int64
	tree := func(seed uint64) {
		err := greenlet.Run(func(root *greenlet.Greenlet) error {
			s := stress{root: root, r: rand.New(rand.NewPCG(seed, 1)), switches: &switches, panics: !traces}
			return s.run(time.Now().Add(d))
		})
		assert.NoError(t, err)
	}
	for i, on := range []func(f func()){
		func(f func()) { f() },
		cgotest.Call, // the root has C frames
		func(f func()) { assert.NoError(t, cgotest.OnThread(f)) },
	} {
		work.Add(1)
		go func() {
			defer work.Done()
			on(func() { tree(uint64(i)) })
		}()
	}
	work.Add(1)
	go func() { // threads that end with suspended greenlets
		defer work.Done()
		leave := func() {
			greenlet.Current()
			suspended(t, quietly)
			value(t, nil)(greenlet.New(func(any) (any, error) { cgotest.CallHandle(refusing); return nil, nil }).Switch(nil))
		}
		for end := time.Now().Add(d); time.Now().Before(end); {
			offMainThread(leave)
			assert.NoError(t, cgotest.OnThread(leave))
			time.Sleep(time.Millisecond)
		}
	}()
	work.Wait()
	close(stop)
	disturb.Wait()
	t.Logf("%d switches in %v", switches.Load(), d)
}

// stress is a tree of greenlets that switch to each other at random, from Go and from C
// frames, and check that their frames are as they were.
type stress struct {
	root     *greenlet.Greenlet
	r        *rand.Rand
	all      []*greenlet.Greenlet
	end      time.Time
	over     bool
	err      error // the first thing that was wrong
	switches *atomic.Int64
	panics   bool // out of C, too
}

func (s *stress) wrong(format string, args ...any) {
	if s.err == nil {
		s.err = fmt.Errorf(format, args...)
	}
}

func (s *stress) run(end time.Time) error {
	s.end = end
	for s.err == nil && !s.over {
		for len(s.all) < 60 {
			s.start()
		}
		for range 100 {
			_ = s.hop()
		}
		for i := 0; i < len(s.all); {
			g := s.all[i]
			if s.r.IntN(200) == 0 {
				if err := g.Kill(); err != nil {
					s.wrong("a kill: %w", err)
				}
			}
			if g.Dead() {
				s.all = slices.Delete(s.all, i, i+1)
			} else {
				i++
			}
		}
	}
	s.over = true
	return s.err
}

func (s *stress) start() {
	i := s.r.IntN(1000)
	var opts []greenlet.Option
	if i%10 == 0 {
		opts = append(opts, greenlet.WithStackSize(128<<10))
	}
	if i%7 == 0 {
		opts = append(opts, greenlet.WithName("stressed"))
	}
	s.all = append(s.all, greenlet.New(func(any) (any, error) {
		for !s.over {
			if s.r.IntN(300) == 0 {
				return nil, nil
			}
			if s.r.IntN(200) == 0 {
				time.Sleep(time.Microsecond)
			}
			if err := s.down(i, s.r.IntN(6)); err != nil {
				return nil, nil // killed
			}
		}
		return nil, nil
	}, opts...))
}

// hop switches to whoever it may be. The error is that of a Kill.
func (s *stress) hop() error {
	if s.switches.Add(1)%64 == 0 && time.Now().After(s.end) {
		s.over = true
	}
	if s.r.IntN(100) == 0 {
		growStack(s.r.IntN(200))
	}
	g := s.root
	if k := s.r.IntN(len(s.all) + 1); k < len(s.all) && !s.all[k].Dead() {
		g = s.all[k]
	}
	_, err := g.Switch(nil)
	return err
}

// down goes through frames of Go and of C in turn, and switches in each.
func (s *stress) down(me, level int) (err error) {
	if err := s.hop(); err != nil {
		return err
	}
	if level == 0 {
		for range 20 {
			if err := s.hop(); err != nil {
				return err
			}
		}
		return nil
	}
	type mine struct{ me, level int }
	want := mine{me, level}
	local := new(mine)
	*local = want
	if s.panics && s.r.IntN(10) == 0 {
		defer func() {
			if r := recover(); r != nil && r != any(want) {
				s.wrong("a panic with %v and not %v", r, want)
			}
		}()
		cgotest.Call(func() {
			if err = s.hop(); err == nil {
				panic(want)
			}
		})
		return err
	}
	if !cgotest.Locals(100*level, func() {
		if err = s.down(me, level-1); err == nil {
			err = s.hop()
		}
	}) {
		s.wrong("locals of C have changed")
	}
	if *local != want {
		s.wrong("locals have changed: %v and not %v", *local, want)
	}
	return err
}
