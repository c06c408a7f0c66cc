package tasklet_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-greenlet/greenlet/tasklet"
)

// One operation is one value that is passed. For the ratio that counts:
//
//	go test -run '^$' -bench Exchange -cpu 1 ./tasklet
func BenchmarkExchange(b *testing.B) {
	tasklets := func(b *testing.B, p tasklet.Preference) {
		b.ReportAllocs()
		world(b, func() {
			c := tasklet.NewChannel[int]()
			c.SetPreference(p)
			tasklet.Go(func() {
				for range b.N {
					_, _ = c.Receive()
				}
			})
			tasklet.Go(func() {
				for i := range b.N {
					_ = c.Send(i)
				}
			})
			b.ResetTimer()
			require.NoError(b, tasklet.Run())
			b.StopTimer()
		})
	}
	b.Run("receiver first", func(b *testing.B) { tasklets(b, tasklet.PreferReceiver) })
	b.Run("neither first", func(b *testing.B) { tasklets(b, tasklet.PreferNeither) })
	b.Run("goroutines", func(b *testing.B) {
		c := make(chan int)
		go func() {
			for i := range b.N {
				c <- i
			}
		}()
		b.ResetTimer()
		for range b.N {
			<-c
		}
	})
}

// A token goes round; one operation is one hop.
func BenchmarkRing(b *testing.B) {
	const n = 1000
	b.Run("tasklets", func(b *testing.B) {
		b.ReportAllocs()
		world(b, func() {
			ring := make([]*tasklet.Channel[int], n)
			for i := range ring {
				ring[i] = tasklet.NewChannel[int]()
			}
			for i := range ring {
				tasklet.Go(func() {
					for {
						left, err := ring[i].Receive()
						if err != nil || left == 0 {
							return
						}
						if ring[(i+1)%n].Send(left-1) != nil {
							return
						}
					}
				})
			}
			require.NoError(b, tasklet.Run())
			b.ResetTimer()
			_ = ring[0].Send(b.N)
			_ = tasklet.Run()
			b.StopTimer()
		})
	})
	b.Run("goroutines", func(b *testing.B) {
		ring := make([]chan int, n)
		for i := range ring {
			ring[i] = make(chan int)
		}
		done := make(chan bool)
		for i := range ring {
			go func() {
				for left := range ring[i] {
					if left == 0 {
						close(done)
						return
					}
					ring[(i+1)%n] <- left - 1
				}
			}()
		}
		b.ResetTimer()
		ring[0] <- b.N
		<-done
	})
}

// Schedule among many.
func BenchmarkSchedule(b *testing.B) {
	const n = 10_000
	b.ReportAllocs()
	world(b, func() {
		left := 0
		for range n {
			tasklet.Go(func() {
				for left > 0 {
					left--
					tasklet.Schedule()
				}
			})
		}
		left = n
		_, _ = tasklet.RunSteps(n) // all are started
		b.ResetTimer()
		left = b.N
		require.NoError(b, tasklet.Run())
		b.StopTimer()
	})
}

func TestExchangeAllocatesNothing(t *testing.T) {
	if instrumented {
		t.Skip("others allocate here")
	}
	world(t, func() {
		c := tasklet.NewChannel[int]()
		echo := tasklet.Go(func() {
			for range c.All() {
			}
		})
		for range 10 {
			require.NoError(t, c.Send(1))
		}
		require.Zero(t, testing.AllocsPerRun(100, func() { _ = c.Send(1); tasklet.Schedule() }))
		require.NoError(t, echo.Kill())
	})
}
