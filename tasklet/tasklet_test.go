package tasklet_test

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-greenlet/greenlet"
	"github.com/go-greenlet/greenlet/tasklet"
)

// world runs f as the main tasklet of a root of its own.
func world(t testing.TB, f func()) {
	t.Helper()
	require.NoError(t, greenlet.Run(func(*greenlet.Greenlet) error { f(); return nil }))
}

// A record is what a program has done, in order.
type record []string

func (r *record) add(what any)         { *r = append(*r, fmt.Sprint(what)) }
func (r record) String() string        { return strings.Join(r, " ") }
func (r *record) does(n string) func() { return func() { r.add(n) } }

// turns is a tasklet that takes part k times.
func (r *record) turns(n string, k int) func() {
	return func() {
		for i := range k {
			r.add(fmt.Sprint(n, i))
			tasklet.Schedule()
		}
		r.add(n + ".")
	}
}

// exchange is a sender, a receiver and a bystander, in that order or another.
func (r *record) exchange(order string, set func(c *tasklet.Channel[int])) func() {
	return func() {
		c := tasklet.NewChannel[int]()
		set(c)
		r.exchangeOn(c, order)
	}
}

func (r *record) exchangeOn(c *tasklet.Channel[int], order string) {
	for _, who := range order {
		switch who {
		case 'S':
			tasklet.Go(func() {
				for i := range 3 {
					r.add(fmt.Sprint("s", i))
					if c.Send(i) != nil {
						r.add("error")
					}
				}
				r.add("S.")
			})
		case 'R':
			tasklet.Go(func() {
				for range 3 {
					v, err := c.Receive()
					if err != nil {
						r.add(err)
					}
					r.add(fmt.Sprint("r", v))
				}
				r.add("R.")
			})
		case 'x':
			tasklet.Go(r.does("x"))
		}
	}
	r.run()
}

func (r *record) run() {
	if err := tasklet.Run(); err != nil {
		r.add(err)
	}
}

func TestTraces(t *testing.T) {
	var r record
	prefer := func(p tasklet.Preference) func(*tasklet.Channel[int]) {
		return func(c *tasklet.Channel[int]) { c.SetPreference(p) }
	}
	all := func(c *tasklet.Channel[int]) { c.SetScheduleAll(true) }
	for _, c := range []struct {
		name, want string
		program    func()
	}{
		{"in order", "4 a b c 1", func() {
			for _, n := range []string{"a", "b", "c"} {
				tasklet.Go(r.does(n))
			}
			r.add(tasklet.RunCount())
			r.run()
			r.add(tasklet.RunCount())
		}},
		{"in turns", "a0 b0 c. a1 b. a.", func() {
			tasklet.Go(r.turns("a", 2))
			tasklet.Go(r.turns("b", 1))
			tasklet.Go(r.turns("c", 0))
			r.run()
		}},
		{"run one", "b c main 2 a", func() {
			tasklet.Go(r.does("a"))
			b := tasklet.Go(r.does("b"))
			tasklet.Go(r.does("c"))
			require.NoError(t, b.Run())
			r.add("main")
			r.add(tasklet.RunCount())
			r.run()
		}},
		{"kill", "b c main", func() {
			a := tasklet.Go(r.does("a"))
			tasklet.Go(r.does("b"))
			tasklet.Go(r.does("c"))
			require.NoError(t, a.Kill())
			r.add("main")
		}},
		{"prefer receiver", "s0 r0 x s1 r1 s2 r2 R. S.", r.exchange("SRx", prefer(tasklet.PreferReceiver))},
		{"prefer neither", "s0 r0 x s1 s2 r1 r2 R. S.", r.exchange("SRx", prefer(tasklet.PreferNeither))},
		{"prefer sender", "s0 s1 x r0 s2 r1 S. r2 R.", r.exchange("SRx", prefer(tasklet.PreferSender))},
		{"prefer sender, receiver first", "s0 s1 x r0 s2 r1 S. r2 R.", r.exchange("RSx", prefer(tasklet.PreferSender))},
		{"schedule all", "s0 x s1 r0 s2 r1 S. r2 R.", r.exchange("SRx", all)},
		{"switch pauses the caller", "a b 0 true main", func() {
			main := tasklet.Current()
			a := tasklet.Go(r.does("a"))
			tasklet.Go(func() {
				r.add("b")
				r.add(tasklet.RunCount() - 1)
				r.add(main.Paused())
				require.NoError(t, main.Insert())
			})
			require.NoError(t, a.Switch())
			r.add("main")
		}},
		{"main is woken when it is paused", "a main", func() {
			require.NoError(t, tasklet.Go(r.does("a")).Switch())
			r.add("main")
		}},
		{"nested runs", "a b c a. main", func() {
			tasklet.Go(func() {
				r.add("a")
				tasklet.Go(r.does("c"))
				r.run() // the innermost returns first
				r.add("a.")
			})
			tasklet.Go(r.does("b"))
			r.run()
			r.add("main")
		}},
		{"the error comes out of the innermost run", "a b inner: oops main", func() {
			tasklet.Go(func() {
				r.add("a")
				bad := tasklet.New(r.does("never"))
				require.NoError(t, bad.ThrowLater(errors.New("oops")))
				r.add(fmt.Sprint("inner: ", errors.Unwrap(tasklet.Run())))
			})
			tasklet.Go(r.does("b"))
			r.run()
			r.add("main")
		}},
		{"steps", "a0 1 b0 a1 2 b. a. 2 0", func() {
			tasklet.Go(r.turns("a", 2))
			tasklet.Go(r.turns("b", 1))
			for _, n := range []int{1, 2, 10, 10} {
				made, err := tasklet.RunSteps(n)
				require.NoError(t, err)
				r.add(made)
			}
		}},
		{"removed ones do not run", "b a", func() {
			a := tasklet.Go(r.does("a"))
			tasklet.Go(r.does("b"))
			require.NoError(t, a.Remove())
			r.run()
			require.NoError(t, a.Insert())
			r.run()
		}},
		{"kill a blocked one", "-1 exit 0 false", func() {
			c := tasklet.NewChannel[int]()
			a := tasklet.Go(func() {
				_, err := c.Receive()
				if errors.Is(err, tasklet.ErrExit) {
					r.add("exit")
				}
			})
			r.run()
			r.add(c.Balance())
			require.NoError(t, a.Kill())
			r.add(c.Balance())
			r.add(a.Alive())
		}},
		{"killed in Schedule, it unwinds", "a0 deferred main", func() {
			a := tasklet.Go(func() {
				defer r.add("deferred")
				r.turns("a", 9)()
			})
			tasklet.Go(func() { require.NoError(t, a.Kill()) })
			r.run()
			r.add("main")
		}},
		{"a ring of channels", "5", func() {
			ring := make([]*tasklet.Channel[int], 6)
			for i := range ring {
				ring[i] = tasklet.NewChannel[int]()
			}
			for i := range 5 {
				tasklet.Go(func() {
					v, err := ring[i].Receive()
					require.NoError(t, err)
					require.NoError(t, ring[i+1].Send(v+1))
				})
			}
			require.NoError(t, ring[0].Send(0))
			v, err := ring[5].Receive()
			require.NoError(t, err)
			r.add(v)
			r.run()
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r = nil
			world(t, c.program)
			assert.Equal(t, c.want, r.String())
		})
	}
}

func TestDeadlock(t *testing.T) {
	world(t, func() {
		c := tasklet.NewChannel[int](tasklet.WithName("answers"))
		_, err := c.Receive()
		var d *tasklet.DeadlockError
		require.ErrorAs(t, err, &d)
		require.Len(t, d.Waits, 1)
		assert.Contains(t, d.Waits[0].Since, "tasklet_test.go:")
		assert.Zero(t, c.Balance())

		// The end of a tasklet leaves main waiting.
		questions := tasklet.NewChannel[int](tasklet.WithName("questions"))
		tasklet.Go(func() { _, _ = questions.Receive() }).SetName("asker")
		tasklet.Go(func() {})
		err = c.Send(1)
		require.ErrorAs(t, err, &d)
		assert.Zero(t, c.Balance())
		text := err.Error()
		assert.Contains(t, text, "asker/")
		assert.Contains(t, text, "receives from questions at")
		assert.Contains(t, text, "main/")
		assert.Contains(t, text, "sends to answers at")
		assert.Equal(t, 2, strings.Count(text, "tasklet_test.go:"), text)
		assert.Equal(t, -1, questions.Balance())

		// Who would block while main waits may go on.
		went := false
		tasklet.Go(func() {
			_, err := c.Receive()
			went = assert.ErrorAs(t, err, &d)
			assert.NoError(t, questions.Send(1))
		})
		_, err = tasklet.NewChannel[int]().Receive()
		require.ErrorAs(t, err, &d)
		assert.True(t, went)
	})
}

func TestPanicsAndErrors(t *testing.T) {
	world(t, func() {
		tasklet.Go(func() { panic("ouch") })
		left := tasklet.Go(func() {})
		p := func() (p any) {
			defer func() { p = recover() }()
			_ = tasklet.Run()
			return nil
		}()
		require.IsType(t, &greenlet.PanicError{}, p)
		assert.Equal(t, "ouch", p.(*greenlet.PanicError).Value)
		assert.True(t, left.Alive())
		require.NoError(t, tasklet.Run())
		assert.False(t, left.Alive())

		// Without a Run it is main that gets it.
		oops := errors.New("oops")
		assert.Equal(t, oops, tasklet.New(func() {}).Throw(oops))
		tasklet.Go(func() { panic("ouch") })
		assert.Panics(t, tasklet.Schedule)

		// An error that a tasklet handles goes nowhere.
		c := tasklet.NewChannel[int]()
		a := tasklet.Go(func() {
			_, err := c.Receive()
			assert.Equal(t, oops, err)
		})
		require.NoError(t, tasklet.Run())
		require.NoError(t, a.Throw(oops))
		assert.False(t, a.Alive())
	})
}

func TestRequireInATasklet(t *testing.T) {
	done := make(chan bool)
	go func() { // as a test does that fails in a tasklet
		defer close(done)
		_ = greenlet.Run(func(*greenlet.Greenlet) error {
			tasklet.Go(func() { runtime.Goexit() })
			_ = tasklet.Run()
			t.Error("Run has returned")
			return nil
		})
	}()
	<-done
}

func TestSequences(t *testing.T) {
	world(t, func() {
		c := tasklet.NewChannel[int]()
		var got []int
		receiver := func() {
			for v := range c.All() {
				got = append(got, v)
			}
		}
		tasklet.Go(receiver)
		tasklet.Go(func() {
			n, err := c.SendAll(slices.Values([]int{1, 2, 3}))
			assert.NoError(t, err)
			assert.Equal(t, 3, n)
			assert.NoError(t, c.SendError(tasklet.ErrStop))
		})
		require.NoError(t, tasklet.Run())
		assert.Equal(t, []int{1, 2, 3}, got)

		a := tasklet.Go(receiver)
		require.NoError(t, tasklet.Run())
		assert.True(t, a.Blocked())
		c.Close()
		assert.True(t, c.Closing() && c.Closed())
		require.NoError(t, tasklet.Run())
		assert.False(t, a.Alive())
		assert.ErrorIs(t, c.Send(1), tasklet.ErrClosed)
		_, err := c.Receive()
		assert.ErrorIs(t, err, tasklet.ErrClosed)
		c.Open()
		assert.False(t, c.Closed())

		// What blocked senders send is received after the end.
		tasklet.Go(func() { assert.NoError(t, c.Send(7)) })
		require.NoError(t, tasklet.Run())
		c.Close()
		assert.True(t, c.Closing() && !c.Closed())
		v, err := c.Receive()
		require.NoError(t, err)
		assert.Equal(t, 7, v)
		assert.True(t, c.Closed())
		require.NoError(t, tasklet.Run())
	})
}

// Whatever is refused has changed nothing.
func TestMisuse(t *testing.T) {
	other := make(chan *tasklet.Tasklet)
	others := make(chan *tasklet.Channel[int])
	stop := make(chan struct{})
	go func() {
		_ = greenlet.Run(func(*greenlet.Greenlet) error {
			other <- tasklet.Go(func() {})
			others <- tasklet.NewChannel[int]()
			<-stop
			return nil
		})
	}()
	foreign, foreignChannel := <-other, <-others
	defer close(stop)

	world(t, func() {
		c := tasklet.NewChannel[int]()
		dead := tasklet.Go(func() {})
		blocked := tasklet.Go(func() { _, _ = c.Receive() })
		require.NoError(t, tasklet.Run())
		for name, x := range map[string]struct {
			who  *tasklet.Tasklet
			want error
		}{
			"nil":     {nil, tasklet.ErrDead},
			"zero":    {new(tasklet.Tasklet), tasklet.ErrDead},
			"unbound": {tasklet.New(nil), tasklet.ErrDead},
			"dead":    {dead, tasklet.ErrDead},
			"blocked": {blocked, tasklet.ErrBlocked},
			"foreign": {foreign, tasklet.ErrWrongThread},
		} {
			for op, do := range map[string]func() error{"Insert": x.who.Insert, "Remove": x.who.Remove, "Run": x.who.Run, "Switch": x.who.Switch} {
				assert.ErrorIs(t, do(), x.want, "%s of %s", op, name)
			}
			if name != "blocked" {
				assert.ErrorIs(t, x.who.Throw(errors.New("x")), x.want, name)
			}
		}
		assert.NoError(t, dead.Kill())
		assert.ErrorIs(t, tasklet.Current().Remove(), tasklet.ErrCurrent)
		assert.ErrorIs(t, tasklet.Current().Kill(), tasklet.ErrExit)
		assert.ErrorIs(t, foreignChannel.Send(1), tasklet.ErrWrongThread)
		_, err := foreignChannel.Receive()
		assert.ErrorIs(t, err, tasklet.ErrWrongThread)
		assert.Error(t, c.SendError(nil))
		assert.Equal(t, 1, tasklet.RunCount())
		assert.Equal(t, -1, c.Balance())

		// Traps.
		a := tasklet.Go(func() {})
		assert.Zero(t, tasklet.SwitchTrap(1))
		assert.ErrorIs(t, tasklet.Run(), tasklet.ErrSwitchTrap)
		assert.ErrorIs(t, a.Run(), tasklet.ErrSwitchTrap)
		assert.ErrorIs(t, a.Kill(), tasklet.ErrSwitchTrap)
		assert.ErrorIs(t, c.Send(1), tasklet.ErrSwitchTrap)
		assert.ErrorIs(t, tasklet.Sleep(1), tasklet.ErrSwitchTrap)
		assert.Panics(t, tasklet.Schedule)
		assert.Panics(t, tasklet.ScheduleRemove)
		assert.Equal(t, 1, tasklet.SwitchTrap(-1))
		tasklet.Current().SetBlockTrap(true)
		d := tasklet.NewChannel[int]()
		assert.ErrorIs(t, d.Send(1), tasklet.ErrBlockTrap)
		_, err = d.Receive()
		assert.ErrorIs(t, err, tasklet.ErrBlockTrap)
		tasklet.Current().SetBlockTrap(false)
		assert.Equal(t, 2, tasklet.RunCount())
		assert.Zero(t, d.Balance())
		assert.Equal(t, -1, c.Balance())
		assert.True(t, a.Alive() && a.Scheduled())
		require.NoError(t, tasklet.Run())
	})
}

func TestManyBlockedOnOneChannel(t *testing.T) {
	n := 100_000
	if testing.Short() || instrumented {
		n = 2000
	}
	world(t, func() {
		c := tasklet.NewChannel[int]()
		c.SetPreference(tasklet.PreferNeither)
		var order []int
		all := make([]*tasklet.Tasklet, n)
		for i := range all {
			all[i] = tasklet.Go(func() {
				if _, err := c.Receive(); err == nil {
					order = append(order, i)
				}
			})
		}
		require.NoError(t, tasklet.Run())
		require.Equal(t, -n, c.Balance())
		for i := 0; i < n; i += 2 {
			require.NoError(t, all[i].KillLater())
		}
		require.Equal(t, -n/2, c.Balance())
		require.NoError(t, tasklet.Run())
		for i := range n / 2 {
			require.NoError(t, c.Send(i))
		}
		assert.Zero(t, c.Balance())
		require.NoError(t, tasklet.Run())
		require.Len(t, order, n/2)
		assert.True(t, slices.IsSorted(order))
		assert.Equal(t, 1, order[0])
	})
}
