package tasklet_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"runtime/pprof"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-greenlet/greenlet"
	"github.com/go-greenlet/greenlet/tasklet"
)

// Only the tasklet that awaits waits.
func TestAwait(t *testing.T) {
	world(t, func() {
		release := make(chan int)
		turns := 0
		tasklet.Go(func() {
			v, err := tasklet.Await(func() (int, error) { return <-release, errors.New("with an error") })
			assert.EqualError(t, err, "with an error")
			assert.Equal(t, 7, v)
			assert.Greater(t, turns, 99)
			turns = -1
		})
		tasklet.Go(func() {
			for range 100 {
				turns++
				tasklet.Schedule()
			}
			release <- 7
		})
		require.NoError(t, tasklet.Run())
		assert.Equal(t, -1, turns)

		// Main may await as well, alone.
		v, err := tasklet.Await(func() (int, error) { return 8, nil })
		require.NoError(t, err)
		assert.Equal(t, 8, v)

		p := func() (p any) {
			defer func() { p = recover() }()
			_, _ = tasklet.Await(func() (int, error) { panic("there") })
			return nil
		}()
		require.IsType(t, &greenlet.PanicError{}, p)
		assert.Equal(t, "there", p.(*greenlet.PanicError).Value)
	})
}

func TestAContextEndsAnAwait(t *testing.T) {
	world(t, func() {
		ctx, cancel := context.WithCancelCause(context.Background())
		forever := make(chan bool)
		defer close(forever)
		tasklet.Go(func() {
			_, err := tasklet.AwaitContext(ctx, func(context.Context) (bool, error) { return <-forever, nil })
			assert.EqualError(t, err, "enough")
		})
		tasklet.Go(func() { cancel(errors.New("enough")) })
		require.NoError(t, tasklet.Run())
	})
}

// What is killed while it awaits is gone, and what it awaited does not matter any more.
func TestKillWhileAwaiting(t *testing.T) {
	world(t, func() {
		release := make(chan bool)
		ended := false
		a := tasklet.Go(func() {
			_, err := tasklet.Await(func() (bool, error) { return <-release, nil })
			ended = assert.ErrorIs(t, err, tasklet.ErrExit)
		})
		tasklet.Schedule()
		assert.True(t, a.Blocked())
		require.NoError(t, a.Kill())
		assert.True(t, ended)
		close(release)
		require.NoError(t, tasklet.Sleep(time.Millisecond))
		require.NoError(t, tasklet.Run())
		assert.False(t, a.Alive())
	})
}

func TestPost(t *testing.T) {
	world(t, func() {
		const n = 1000
		c := tasklet.NewChannel[int](tasklet.WithPosts())
		for range 4 {
			go func() {
				for i := range n {
					assert.NoError(t, c.Post(i))
				}
			}()
		}
		sum := 0
		tasklet.Go(func() {
			for range 4 * n {
				v, err := c.Receive()
				assert.NoError(t, err)
				sum += v
			}
		})
		require.NoError(t, tasklet.Run())
		assert.Equal(t, 4*n*(n-1)/2, sum)

		after := tasklet.After(time.Millisecond)
		_, err := after.Receive()
		require.NoError(t, err)
	})
}

// What is posted to a greenlet of a tree with tasklets is one, and wakes a goroutine that sleeps.
func TestAPostToATreeBecomesATasklet(t *testing.T) {
	world(t, func() {
		root, posted := greenlet.Current(), make(chan struct{})
		var trace []string
		tasklet.Go(func() {
			go func() {
				assert.NoError(t, root.Post(func() {
					trace = append(trace, fmt.Sprint(tasklet.Current() == tasklet.Main()))
					tasklet.Schedule() // to the second one
					close(posted)
				}))
				assert.NoError(t, root.Post(func() { trace = append(trace, "second") }))
			}()
			_, err := tasklet.Await(func() (int, error) {
				select {
				case <-posted:
				case <-time.After(20 * time.Second):
					t.Error("no tasklet was made")
				}
				return 0, nil
			})
			assert.NoError(t, err)
		})
		require.NoError(t, tasklet.Run())
		assert.Equal(t, []string{"false", "second"}, trace)

		// Without anything that waits it runs in the next round.
		require.NoError(t, root.Post(func() { trace = nil }))
		require.NoError(t, tasklet.Run())
		assert.Nil(t, trace)
	})
}

// So is what was posted before the tree had tasklets, in order with what is posted after that.
func TestAPostBeforeTheFirstTasklet(t *testing.T) {
	world(t, func() {
		root := greenlet.Current()
		var trace record
		for i := range 3 {
			require.NoError(t, root.Post(func() {
				trace.add(i)
				assert.NotEqual(t, tasklet.Main(), tasklet.Current())
				tasklet.Schedule()
			}))
		}
		tasklet.Go(func() { trace.add("a"); tasklet.Schedule(); trace.add("b") })
		require.NoError(t, root.Post(trace.does("last")))
		require.NoError(t, tasklet.Run())
		assert.Equal(t, "0 1 2 a last b", trace.String())
	})
	world(t, func() { // by one of them
		root := greenlet.Current()
		var trace record
		require.NoError(t, root.Post(func() { tasklet.Go(trace.does("tasklet")) }))
		require.NoError(t, root.Post(trace.does("posted")))
		_, err := root.Switch(nil)
		require.NoError(t, err)
		assert.Empty(t, trace)
		require.NoError(t, tasklet.Run())
		assert.Equal(t, "posted tasklet", trace.String())
	})
}

func TestRecv(t *testing.T) {
	world(t, func() {
		ch := make(chan int)
		tasklet.Go(func() {
			v, ok, err := tasklet.Recv(ch)
			assert.NoError(t, err)
			assert.True(t, ok)
			assert.Equal(t, 1, v)
			_, ok, err = tasklet.Recv(ch)
			assert.NoError(t, err)
			assert.False(t, ok)
		})
		go func() {
			ch <- 1
			close(ch)
		}()
		require.NoError(t, tasklet.Run())

		// Thrown out of it, it takes nothing.
		full := make(chan int, 1)
		a := tasklet.Go(func() {
			_, _, err := tasklet.Recv(full)
			assert.ErrorIs(t, err, tasklet.ErrExit)
		})
		tasklet.Schedule()
		require.NoError(t, a.Kill())
		time.Sleep(10 * time.Millisecond)
		full <- 1
		time.Sleep(10 * time.Millisecond)
		assert.Len(t, full, 1)
	})
}

// What cannot work is refused before anything begins.
func TestMisuseOfTheOutside(t *testing.T) {
	world(t, func() {
		var none context.Context
		f := func(context.Context) (int, error) { t.Error("called"); return 0, nil }
		for name, do := range map[string]func() error{
			"AwaitContext without a context":  func() error { _, err := tasklet.AwaitContext(none, f); return err },
			"AwaitContext without a function": func() error { _, err := tasklet.AwaitContext[int](context.Background(), nil); return err },
			"Await without a function":        func() error { _, err := tasklet.Await[int](nil); return err },
			"SleepContext without a context":  func() error { return tasklet.SleepContext(none, 1) },
			"RecvContext without a context":   func() error { _, _, err := tasklet.RecvContext(none, make(chan int)); return err },
			"Recv without a channel":          func() error { _, _, err := tasklet.Recv[int](nil); return err },
		} {
			assert.ErrorContains(t, do(), "is nil", name)
		}
		tasklet.Main().SetBlockTrap(true)
		for name, do := range map[string]func() error{
			"Await":   func() error { _, err := tasklet.AwaitContext(context.Background(), f); return err },
			"Sleep":   func() error { return tasklet.Sleep(1) },
			"Recv":    func() error { _, _, err := tasklet.Recv(make(chan int)); return err },
			"a panic": func() error { return tasklet.SleepContext(brokenContext{}, 1) },
		} {
			var err error
			p := panicOf(func() { err = do() })
			if name == "a panic" {
				assert.Equal(t, "broken", p)
				continue
			}
			assert.ErrorIs(t, err, tasklet.ErrBlockTrap, name)
		}
		tasklet.Main().SetBlockTrap(false)
		assert.Equal(t, 1, tasklet.RunCount())
		assert.Same(t, tasklet.Main(), tasklet.Current())
		assert.NoError(t, tasklet.Run(), "nothing is awaited")
	})
}

type brokenContext struct{ context.Context }

func (brokenContext) Err() error            { return nil }
func (brokenContext) Done() <-chan struct{} { panic("broken") }

// What f does on its goroutine happens in the tasklet.
func TestHowAnAwaitedFunctionEnds(t *testing.T) {
	handled := &greenlet.PanicError{Value: "handled"}
	world(t, func() {
		_, err := tasklet.Await(func() (int, error) { return 0, handled })
		assert.Equal(t, error(handled), err, "a returned error is one")
		p := panicOf(func() { _, _ = tasklet.Await(func() (int, error) { panic(handled) }) })
		assert.Same(t, handled, p, "it is not wrapped again")
	})
	deferred, after := false, false
	done := make(chan bool)
	go func() {
		defer close(done)
		_ = greenlet.Run(func(*greenlet.Greenlet) error {
			tasklet.Go(func() {
				defer func() { deferred = true }()
				_, _ = tasklet.Await(func() (int, error) { runtime.Goexit(); return 0, nil })
				after = true
			})
			_ = tasklet.Run()
			after = true
			return nil
		})
	}()
	<-done
	assert.True(t, deferred)
	assert.False(t, after, "Goexit goes up to the root")
}

// When an AwaitContext is left early, the function hears of it.
func TestTheContextOfAnAwaitedFunctionEnds(t *testing.T) {
	world(t, func() {
		heard := make(chan bool)
		a := tasklet.Go(func() {
			_, _ = tasklet.AwaitContext(context.Background(), func(ctx context.Context) (int, error) {
				<-ctx.Done()
				close(heard)
				return 0, nil
			})
		})
		tasklet.Schedule()
		require.NoError(t, a.Kill())
		select {
		case <-heard:
		case <-time.After(10 * time.Second):
			t.Error("it has not")
		}
	})
}

// Left by a panic, a Recv takes nothing later.
func TestARecvThatIsLeftByAPanic(t *testing.T) {
	world(t, func() {
		ch := make(chan int, 1)
		a := tasklet.Go(func() { panic("x") })
		pprof.Do(context.Background(), pprof.Labels("left", "by a panic"), func(context.Context) { // has what receives
			assert.NotNil(t, panicOf(func() { _, _, _ = tasklet.Recv(ch) }))
		})
		assert.False(t, a.Alive())
		assert.Eventually(t, func() bool { return !strings.Contains(goroutines(t), "by a panic") }, 10*time.Second, time.Millisecond)
		ch <- 1
		time.Sleep(5 * time.Millisecond)
		assert.Len(t, ch, 1)
	})
}

// A watched context counts who registers with it, and who goes.
type watched struct {
	context.Context
	mu    sync.Mutex
	count int
}

func (w *watched) Value(any) any { return nil } // package context is not to see what is inside

func (w *watched) AfterFunc(f func()) func() bool {
	stop := context.AfterFunc(w.Context, f)
	w.mu.Lock()
	w.count++
	w.mu.Unlock()
	return func() bool {
		w.mu.Lock()
		w.count--
		w.mu.Unlock()
		return stop()
	}
}

// Whatever ends a wait, the context does not remember it.
func TestContextsAreLeft(t *testing.T) {
	world(t, func() {
		parent, cancel := context.WithCancel(context.Background())
		defer cancel()
		ctx := &watched{Context: parent}
		require.NoError(t, tasklet.SleepContext(ctx, 1))
		_, err := tasklet.AwaitContext(ctx, func(context.Context) (int, error) { return 0, nil })
		require.NoError(t, err)
		c := tasklet.NewChannel[int]()
		require.NoError(t, c.Post(1))
		_, err = c.ReceiveContext(ctx)
		require.NoError(t, err)
		ch := make(chan int, 1)
		ch <- 1
		_, _, err = tasklet.RecvContext(ctx, ch)
		require.NoError(t, err)
		a := tasklet.Go(func() { _ = tasklet.SleepContext(ctx, time.Hour) })
		tasklet.Schedule()
		ctx.mu.Lock()
		assert.Equal(t, 1, ctx.count)
		ctx.mu.Unlock()
		require.NoError(t, a.Kill())
		ctx.mu.Lock()
		assert.Zero(t, ctx.count)
		ctx.mu.Unlock()
	})
}

// A context ends every kind of wait, with its cause, and at once if it is done.
func TestAContextEndsAWait(t *testing.T) {
	enough := errors.New("enough")
	world(t, func() {
		for name, wait := range map[string]func(context.Context) error{
			"Sleep": func(ctx context.Context) error { return tasklet.SleepContext(ctx, time.Hour) },
			"Await": func(ctx context.Context) error {
				_, err := tasklet.AwaitContext(ctx, func(ctx context.Context) (int, error) { <-ctx.Done(); return 0, nil })
				return err
			},
			"Recv": func(ctx context.Context) error {
				ch := make(chan int, 1)
				_, _, err := tasklet.RecvContext(ctx, ch)
				ch <- 1
				time.Sleep(time.Millisecond)
				assert.Len(t, ch, 1, "nothing is taken")
				return err
			},
			"Receive": func(ctx context.Context) error {
				_, err := tasklet.NewChannel[int]().ReceiveContext(ctx)
				return err
			},
		} {
			ctx, cancel := context.WithCancelCause(context.Background())
			got := errors.New("it has not returned")
			tasklet.Go(func() { got = wait(ctx) })
			tasklet.Schedule()
			time.AfterFunc(time.Millisecond, func() { cancel(enough) })
			require.NoError(t, tasklet.Run())
			assert.Equal(t, enough, got, name)
			assert.Equal(t, enough, wait(ctx), name)
		}
		full := make(chan int, 1)
		full <- 1
		ctx, cancel := context.WithCancelCause(context.Background())
		cancel(enough)
		_, _, err := tasklet.RecvContext(ctx, full)
		assert.Equal(t, enough, err)
		assert.Len(t, full, 1)
	})
}

// What a RecvContext has taken is not lost when the context is done at the same time.
func TestAContextAndAValueAtOnce(t *testing.T) {
	world(t, func() {
		ctx, cancel := context.WithCancel(context.Background())
		ch := make(chan int)
		a := tasklet.Go(func() {
			v, ok, err := tasklet.RecvContext(ctx, ch)
			assert.NoError(t, err)
			assert.True(t, ok)
			assert.Equal(t, 7, v)
		})
		tasklet.Schedule()
		cancel()
		time.Sleep(5 * time.Millisecond) // most likely it has been told
		ch <- 7
		require.NoError(t, tasklet.Run())
		assert.False(t, a.Alive())
	})
}

// A context, or a result, that comes too late ends nothing else that the tasklet waits for.
func TestWhatComesTooLateEndsNothing(t *testing.T) {
	world(t, func() {
		release := make(chan bool)
		told := make(chan bool)
		ctx, cancel := context.WithCancel(context.Background())
		c := tasklet.NewChannel[int]()
		got := 0
		a := tasklet.Go(func() {
			_, err := tasklet.Await(func() (int, error) {
				<-release
				defer time.AfterFunc(5*time.Millisecond, func() { close(told) })
				return 0, nil
			})
			assert.EqualError(t, err, "leave")
			_, err = c.ReceiveContext(ctx)
			assert.EqualError(t, err, "leave")
			got, err = c.Receive()
			assert.NoError(t, err)
		})
		tasklet.Schedule()
		require.NoError(t, a.Throw(errors.New("leave")))
		require.NoError(t, a.Throw(errors.New("leave")))
		require.Equal(t, -1, c.Balance())
		close(release)
		cancel()
		<-told
		for range 3 {
			tasklet.Schedule() // which hears of both
		}
		assert.Equal(t, -1, c.Balance())
		require.NoError(t, c.Send(7))
		assert.Equal(t, 7, got)
	})
}

// What was received is not awaited any more, whatever becomes of the receiver.
func TestAReceiverThatIsRemoved(t *testing.T) {
	world(t, func() {
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		c := tasklet.NewChannel[int]()
		c.SetPreference(tasklet.PreferNeither)
		got := 0
		r := tasklet.Go(func() {
			var err error
			got, err = c.ReceiveContext(ctx)
			assert.NoError(t, err)
		})
		tasklet.Go(func() {
			assert.NoError(t, c.Send(1))
			assert.NoError(t, r.Remove())
		})
		require.NoError(t, tasklet.Run(), "and it ends")
		assert.True(t, r.Paused())
		require.NoError(t, r.Insert())
		require.NoError(t, tasklet.Run())
		assert.Equal(t, 1, got)
	})
}

// A late context is done after it was asked, and before somebody waits for it.
type late struct {
	context.Context
	cancel context.CancelFunc
}

func (l late) Done() <-chan struct{} {
	l.cancel()
	time.Sleep(time.Millisecond)
	return l.Context.Done()
}

func TestAContextThatEndsJustBeforeTheWait(t *testing.T) {
	world(t, func() {
		for _, wait := range []func(ctx context.Context) error{
			func(ctx context.Context) error {
				_, err := tasklet.NewChannel[int]().ReceiveContext(ctx)
				return err
			},
			func(ctx context.Context) error { return tasklet.SleepContext(ctx, time.Hour) },
			func(ctx context.Context) error {
				_, _, err := tasklet.RecvContext(ctx, make(chan int))
				return err
			},
		} {
			ctx, cancel := context.WithCancel(context.Background())
			assert.Equal(t, context.Canceled, wait(late{ctx, cancel}))
			_ = deadlock(t) // the next wait is not the context's any more
		}
	})
}

// A context's end that comes too late for its operation is not found by the next one.
func TestACauseThatComesTooLate(t *testing.T) {
	world(t, func() {
		ctx, cancel := context.WithCancel(context.Background())
		oops := errors.New("oops")
		c := tasklet.NewChannel[int]()
		told := false
		r := tasklet.Go(func() {
			assert.Equal(t, oops, tasklet.SleepContext(ctx, time.Hour))
			tasklet.Schedule()
			told = true
		})
		tasklet.Schedule()
		require.True(t, r.Blocked())
		cancel()
		for !r.Scheduled() {
			time.Sleep(time.Millisecond)
			_ = c.Balance() // hears of it
		}
		require.NoError(t, r.Throw(oops))
		require.NoError(t, tasklet.Run())
		assert.True(t, told)
	})
}

// Whatever ends the waits at the same time, no value that was posted is lost, and none
// comes twice: it is received, or comes with the error, or is still there.
func TestNoValueIsLostBesideTimeouts(t *testing.T) {
	world(t, func() {
		const n = 300
		c := tasklet.NewChannel[int](tasklet.WithPosts())
		posted := make(chan struct{})
		go func() {
			defer close(posted)
			for i := range n {
				assert.NoError(t, c.Post(i+1))
				time.Sleep(time.Duration(rand.IntN(60)) * time.Microsecond)
			}
		}()
		var got [n + 1]int
		over := false
		var all []*tasklet.Tasklet
		for range 4 {
			all = append(all, tasklet.Go(func() {
				for !over {
					v, d := 0, time.Duration(rand.IntN(100))*time.Microsecond
					_ = tasklet.Timeout(d, func() (err error) { v, err = c.Receive(); return err })
					got[v]++
					ctx, cancel := context.WithTimeout(context.Background(), d)
					v, _ = c.ReceiveContext(ctx)
					cancel()
					got[v]++
				}
			}))
		}
		tasklet.Go(func() {
			for !over {
				assert.NoError(t, all[rand.IntN(len(all))].ThrowLater(errOops))
				assert.NoError(t, tasklet.Sleep(30*time.Microsecond))
				select {
				case <-posted:
					over = true
				default:
				}
			}
			c.Close() // a receiver that waits without a Timeout is not to
		})
		for err := tasklet.Run(); err != nil; err = tasklet.Run() {
			require.ErrorIs(t, err, errOops) // thrown at one between two waits
		}
		for v := range c.All() {
			got[v]++
		}
		for v := 1; v <= n; v++ {
			assert.Equal(t, 1, got[v], "value %d", v)
		}
	})
}
