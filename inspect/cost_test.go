//go:build linux

package inspect_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-greenlet/greenlet"
	"github.com/go-greenlet/greenlet/inspect"
	"github.com/go-greenlet/greenlet/internal/timeline"
)

// ring makes n greenlets that switch to each other in a ring, and calls f with a function that makes
// so many switches among them.
func ring(t testing.TB, n int, f func(run func(switches int))) {
	tree(t, func(root *greenlet.Greenlet) {
		all := make([]*greenlet.Greenlet, n)
		left := n
		for i := range all {
			all[i] = greenlet.New(func(any) (any, error) {
				for {
					to := all[(i+1)%n]
					if left--; left < 0 {
						to = root
					}
					if _, err := to.Switch(nil); err != nil {
						return nil, err
					}
				}
			}, greenlet.WithName(fmt.Sprint("ring-", i)))
		}
		_, err := all[0].Switch(nil)
		require.NoError(t, err)
		f(func(switches int) {
			left = switches
			_, err := all[0].Switch(nil)
			require.NoError(t, err)
		})
	})
}

// recorded runs f while a recording is active.
func recorded(t testing.TB, f func(), opts ...inspect.RecordOption) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- inspect.Record(ctx, io.Discard, opts...) }()
	require.Eventually(t, func() bool { return timeline.Active() != nil }, 10*time.Second, time.Millisecond)
	f()
	cancel()
	require.NoError(t, <-done)
}

func BenchmarkSwitch(b *testing.B) {
	b.Run("plain", func(b *testing.B) {
		ring(b, 2, func(run func(int)) { b.ResetTimer(); run(b.N); b.StopTimer() })
	})
	b.Run("tracer", func(b *testing.B) {
		ring(b, 2, func(run func(int)) {
			greenlet.SetTrace(func(greenlet.Event, *greenlet.Greenlet, *greenlet.Greenlet) {})
			b.ResetTimer()
			run(b.N)
			b.StopTimer()
			greenlet.SetTrace(nil)
		})
	})
	b.Run("times", func(b *testing.B) {
		ring(b, 2, func(run func(int)) {
			defer greenlet.SetDetail(greenlet.SetDetail(greenlet.DetailTimes))
			run(2)
			b.ResetTimer()
			run(b.N)
			b.StopTimer()
		})
	})
	b.Run("recorded", func(b *testing.B) {
		ring(b, 2, func(run func(int)) {
			recorded(b, func() { run(2); b.ResetTimer(); run(b.N); b.StopTimer() }, inspect.Events(100_000))
		})
	})
}

func BenchmarkLook(b *testing.B) {
	url := server(b)
	for _, n := range []int{2000, 100_000} {
		ring(b, n, func(func(int)) {
			one := slices.Collect(greenlet.All())[n/2]
			for _, what := range []struct {
				name string
				f    func()
			}{
				{"Info", func() { one.Info() }},
				{"Stack", func() { onAnother(func() { one.Stack() }) }},
				{"page", func() { get(b, "GET", url) }},
				{"json", func() { get(b, "GET", url+"?format=json") }},
				{"Dump", func() { require.NoError(b, greenlet.Dump(io.Discard)) }},
			} {
				b.Run(fmt.Sprintf("%s/%d", what.name, n), func(b *testing.B) {
					for b.Loop() {
						what.f()
					}
				})
			}
		})
	}
}

func onAnother(f func()) {
	done := make(chan struct{})
	go func() { defer close(done); f() }()
	<-done
}

// While a client fetches the page ten times a second, each switch is made and counted once. With
// GREENLET_COSTS the test also logs what the page costs: the medians of several rounds with and
// without it.
func TestSwitchesBesideAPage(t *testing.T) {
	url := server(t)
	n, rounds := 200_000, 1
	if os.Getenv("GREENLET_COSTS") != "" {
		n, rounds = 30_000_000, 7
	}
	ring(t, 2000, func(run func(int)) {
		refreshing := func(f func()) {
			stop, stopped := make(chan struct{}), make(chan int)
			go func() {
				pages := 0
				for tick := time.NewTicker(100 * time.Millisecond); ; {
					resp, err := http.Get(url + "?fragment=1")
					if assert.NoError(t, err) {
						_, _ = io.Copy(io.Discard, resp.Body)
						resp.Body.Close()
					}
					pages++
					select {
					case <-tick.C:
					case <-stop:
						stopped <- pages
						return
					}
				}
			}()
			f()
			close(stop)
			assert.Positive(t, <-stopped)
		}
		count := func() (sum uint64) {
			root := greenlet.Current().ID()
			for g := range greenlet.All() {
				if i := g.Info(); i.Root == root { // and not one that an earlier test has left, which may end meanwhile
					sum += i.Switches
				}
			}
			return sum
		}
		// The CPU time of the root's thread, which other load on the machine affects least.
		used := func() time.Duration {
			var u syscall.Rusage
			const thread = 1 // RUSAGE_THREAD
			require.NoError(t, syscall.Getrusage(thread, &u))
			return time.Duration(u.Utime.Nano() + u.Stime.Nano())
		}
		timed := func() time.Duration {
			begin := used()
			run(n)
			return used() - begin
		}
		var with, without []time.Duration
		before := count()
		for range rounds {
			refreshing(func() { with = append(with, timed()) })
			without = append(without, timed())
		}
		assert.EqualValues(t, 2*rounds*(n+2), count()-before, "a run begins and ends with one more")
		slices.Sort(with)
		slices.Sort(without)
		t.Logf("with a page %v, without %v: %.3f", with[len(with)/2], without[len(without)/2], float64(with[len(with)/2])/float64(without[len(without)/2]))
	})
}
