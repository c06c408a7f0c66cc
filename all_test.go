package greenlet_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-greenlet/greenlet"
	"github.com/go-greenlet/greenlet/internal/cgotest"
)

// onAnother calls f on another goroutine, which has no greenlets, and waits for it.
func onAnother(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	<-done
}

func TestAllAndChildren(t *testing.T) {
	tree(t, func(root *greenlet.Greenlet) {
		var grandchild *greenlet.Greenlet
		child := suspended(t, func(v any, err error) (any, error) {
			if err == nil {
				grandchild = suspended(t, quietly)
				_, err = root.Switch(nil)
			}
			return nil, err
		})
		_, err := child.Switch(nil)
		require.NoError(t, err)
		pending := greenlet.New(echo)
		dead := greenlet.New(returns(nil, nil))
		value(t, nil)(dead.Switch(nil))

		// By the pointers: testify would compare what they point to.
		same := func(got []*greenlet.Greenlet, want ...*greenlet.Greenlet) {
			t.Helper()
			assert.True(t, slices.Equal(want, got), "%v", got)
		}
		see := func() {
			all := slices.Collect(greenlet.All())
			at := slices.Index(all, root)
			require.GreaterOrEqual(t, at, 0)
			same(all[at:at+3], root, child, grandchild) // by age
			assert.False(t, slices.Contains(all, pending))
			assert.False(t, slices.Contains(all, dead))
			same(root.Children(), child)
			same(child.Children(), grandchild)
			assert.Empty(t, grandchild.Children())
			assert.Empty(t, pending.Children())
		}
		see()
		onAnother(see)
		require.NoError(t, grandchild.SetParent(root))
		assert.Len(t, root.Children(), 2)
		require.NoError(t, child.Kill())
		onAnother(func() {
			assert.False(t, slices.Contains(slices.Collect(greenlet.All()), child))
			same(root.Children(), grandchild)
		})
		for range greenlet.All() { // it can be left
			break
		}
	})
	for g := range greenlet.All() {
		assert.NotEqual(t, greenlet.Dead, g.State())
	}
}

// A root that was only listed ends with its tree, as if nobody had asked: a goroutine that
// is listed is not locked to its thread for good.
func TestAllKeepsNoRoot(t *testing.T) {
	next, stop := greenlet.Pull(func(yield func(int) bool) { yield(1) })
	_, _ = next()
	var roots []*greenlet.Greenlet
	for g := range greenlet.All() {
		if g.IsRoot() {
			roots = append(roots, g)
		}
	}
	require.NotEmpty(t, roots)
	stop()
	_, ok := greenlet.LookupCurrent()
	assert.False(t, ok, "the root has ended")
}

// A root that ends while All runs is not yielded after its end.
func TestAllYieldsNoRootThatHasEnded(t *testing.T) {
	tree(t, func(root *greenlet.Greenlet) {
		begun, end, ended := make(chan *greenlet.Greenlet), make(chan struct{}), make(chan struct{})
		go func() {
			defer close(ended)
			assert.NoError(t, greenlet.Run(func(other *greenlet.Greenlet) error {
				begun <- other
				<-end
				return nil
			}))
		}()
		other := <-begun // its tree is younger, so All comes to it after root
		met := false
		for g := range greenlet.All() {
			if g == root {
				met = true
				close(end)
				<-ended
			}
			assert.False(t, g == other, "a dead root")
		}
		if !assert.True(t, met) {
			close(end)
		}
		<-ended
	})
}

// Those that are listed again and again are forgotten all the same.
func TestAllKeepsNobodyAlive(t *testing.T) {
	tree(t, func(root *greenlet.Greenlet) {
		ended := make(chan struct{})
		func() {
			g := greenlet.New(func(any) (any, error) {
				defer close(ended)
				_, err := root.Switch(nil)
				return nil, err
			})
			g.SetValue([]any{g, "leads to itself"})
			value(t, nil)(g.Switch(nil))
		}()
		over := false
		for range 1000 {
			runtime.GC()
			onAnother(func() {
				for g := range greenlet.All() {
					_ = g.Info()
				}
				_ = root.Children()
				_ = greenlet.Dump(new(strings.Builder))
			})
			_ = greenlet.New(nil).Kill() // the tree's next call
			value(t, 1)(greenlet.New(returns(1, nil)).Switch(nil))
			select {
			case <-ended:
				over = true
			default:
			}
			if over {
				break
			}
		}
		assert.True(t, over, "it was never killed")
	})
}

func TestLookupCurrentMakesNoRoot(t *testing.T) {
	onAnother(func() {
		g, ok := greenlet.LookupCurrent()
		assert.False(t, ok)
		assert.Nil(t, g)
	})
	tree(t, func(root *greenlet.Greenlet) {
		g, ok := greenlet.LookupCurrent()
		assert.True(t, ok)
		assert.Same(t, root, g)
	})
}

func TestValue(t *testing.T) {
	var none *greenlet.Greenlet
	none.SetValue(1)
	assert.Nil(t, none.Value())
	g := greenlet.New(nil)
	assert.Nil(t, g.Value())
	g.SetValue(1)
	onAnother(func() { assert.Equal(t, 1, g.Value()); g.SetValue(nil) })
	assert.Nil(t, g.Value())
}

// Whoever looks on beside trees that begin and end finds what was there all the time, and
// disturbs nobody.
func TestEnumerationBesideBirthsAndEnds(t *testing.T) {
	d := time.Second
	if testing.Short() {
		d = 200 * time.Millisecond
	}
	var stop atomic.Bool
	var trees, watchers sync.WaitGroup
	var steps atomic.Int64
	for seed := range uint64(3) {
		trees.Add(1)
		go func() {
			defer trees.Done()
			for round := uint64(0); !stop.Load(); round++ {
				tree(t, func(root *greenlet.Greenlet) { beginAndEnd(t, root, rand.New(rand.NewPCG(seed, round)), &stop, &steps) })
			}
		}()
	}
	var looks atomic.Int64
	for range 2 {
		watchers.Add(1)
		go func() {
			defer watchers.Done()
			for !stop.Load() {
				for g := range greenlet.All() {
					i := g.Info()
					assert.NotZero(t, i.ID)
					if i.SuspendedAt.Function != "" {
						assert.Equal(t, greenlet.Suspended, i.State)
						assert.Contains(t, i.SuspendedAt.File, "_test.go")
					}
					for _, f := range g.Stack() {
						assert.NotEmpty(t, f.Function)
					}
					_ = g.Children()
				}
				assert.NoError(t, greenlet.Dump(new(strings.Builder)))
				looks.Add(1)
				runtime.Gosched()
			}
		}()
	}
	time.Sleep(d)
	stop.Store(true)
	trees.Wait()
	watchers.Wait()
	assert.Positive(t, looks.Load())
	t.Log(steps.Load(), "steps beside", looks.Load(), "looks")
}

// beginAndEnd is one tree's life. One greenlet of it, which is always there, is to be listed.
func beginAndEnd(t testing.TB, root *greenlet.Greenlet, r *rand.Rand, stop *atomic.Bool, steps *atomic.Int64) {
	constant := suspended(t, quietly)
	var live []*greenlet.Greenlet
	for i := 0; i < 300 && !stop.Load(); i++ {
		steps.Add(1)
		switch n := r.IntN(10); {
		case n < 4 || len(live) == 0:
			g := suspended(t, quietly)
			if n == 0 {
				g = suspendedInC(t)
			}
			g.SetName(fmt.Sprint("n", i))
			live = append(live, g)
		case n < 8:
			k := r.IntN(len(live))
			require.NoError(t, live[k].Kill())
			live = slices.Delete(live, k, k+1)
		case n == 8:
			next, end := greenlet.Pull(func(yield func(int) bool) { yield(1) })
			_, ok := next()
			assert.True(t, ok)
			end()
		default:
			onAnother(func() { assert.True(t, slices.Contains(slices.Collect(greenlet.All()), constant)) })
		}
	}
}

func TestStackFromAnyGoroutine(t *testing.T) {
	needsOneM(t, "from elsewhere it has no answer there")
	needsC(t)
	if d := os.Getenv("GODEBUG"); strings.Contains(d, "asyncpreemptoff=1") || strings.Contains(d, "gccheckmark=1") {
		t.Skip("nobody can stop a loop without calls") // the second implies the first (runtime1.go)
	}
	tree(t, func(root *greenlet.Greenlet) {
		g := greenlet.New(outerFrame)
		value(t, nil)(g.Switch(nil))
		inC := suspendedInC(t)
		official := suspended(t, quietly, greenlet.WithStackSize(128<<10))
		for _, g := range []*greenlet.Greenlet{g, inC, official} {
			own := g.Stack()
			onAnother(func() { assert.Equal(t, names(own), names(g.Stack()), "%v", g) })
		}
		onAnother(func() {
			assert.Contains(t, fmt.Sprint(names(inC.Stack())), "runtime.cgocall ")
			assert.Contains(t, fmt.Sprint(names(root.Stack())), "TestStackFromAnyGoroutine", "it waits for us")
		})
		// The root is suspended, and one greenlet runs: Go code, then C code.
		var spinning, stop atomic.Bool
		var n int
		running := greenlet.New(func(any) (any, error) {
			spinning.Store(true)
			for !stop.Load() {
				n++
			}
			cgotest.Sleep(300 * time.Millisecond)
			return nil, nil
		})
		done := make(chan struct{})
		go func() {
			defer close(done)
			for !spinning.Load() {
				runtime.Gosched()
			}
			assert.Equal(t, greenlet.Running, running.State())
			assert.Contains(t, fmt.Sprint(names(running.Stack())), "TestStackFromAnyGoroutine")
			assert.Regexp(t, `Switch.* \S+TestStackFromAnyGoroutine`, fmt.Sprint(names(root.Stack())))
			stop.Store(true)
			seen := ""
			for !strings.Contains(seen, "cgotest.Sleep") && !running.Dead() {
				runtime.Gosched()
				seen = fmt.Sprint(names(running.Stack()))
			}
			assert.Contains(t, seen, "cgotest.Sleep")
		}()
		value(t, nil)(running.Switch(nil))
		<-done
		onAnother(func() { assert.Nil(t, running.Stack()) })
	})
}

func TestInfo(t *testing.T) {
	previous := greenlet.SetDetail(greenlet.DetailCreation | greenlet.DetailTimes)
	defer greenlet.SetDetail(previous)
	tree(t, func(root *greenlet.Greenlet) {
		begin := time.Now()
		g := greenlet.New(func(any) (any, error) {
			_, err := root.Switch(nil)
			for err == nil {
				_, err = root.Switch(nil)
			}
			return nil, err
		}, greenlet.WithName("walker"))
		i := g.Info()
		assert.Equal(t, greenlet.Pending, i.State)
		assert.Equal(t, []uint64{g.ID(), root.ID(), 0}, []uint64{i.ID, i.Parent, i.Root})
		assert.Zero(t, i.Switches)
		assert.Zero(t, i.SuspendedAt)
		assert.WithinRange(t, i.Created, begin, time.Now())
		assert.Contains(t, i.CreatedAt.Function, "TestInfo")

		for range 5 {
			_, err := g.Switch(nil)
			require.NoError(t, err)
		}
		time.Sleep(time.Millisecond)
		see := func() {
			i := g.Info()
			assert.Equal(t, greenlet.Suspended, i.State)
			assert.Equal(t, "walker", i.Name)
			assert.Equal(t, root.ID(), i.Root)
			assert.EqualValues(t, 5, i.Switches)
			assert.EqualValues(t, 5, root.Info().Switches)
			if oneM() {
				assert.Contains(t, i.SuspendedAt.Function, "TestInfo")
				assert.Contains(t, i.SuspendedAt.File, "all_test.go")
			}
			assert.GreaterOrEqual(t, i.Since, time.Millisecond)
			assert.LessOrEqual(t, i.Since, time.Since(begin)) // equal where the clock is coarse
			assert.Zero(t, i.CStack)
		}
		see()
		thread := threadID()
		onAnother(func() {
			see()
			if thread != 0 { // else the system does not tell it
				assert.Equal(t, thread, g.Info().Thread)
			}
			assert.Equal(t, greenlet.Running, root.Info().State)
			assert.Zero(t, root.Info().Parent)
		})
		if oneM() && cgotest.Available {
			c := suspendedInC(t)
			onAnother(func() {
				i := c.Info()
				assert.Equal(t, 256<<10, i.CStack)
				assert.Positive(t, i.CStackUsed)
				assert.Less(t, i.CStackUsed, 32<<10)
			})
		}
		require.NoError(t, g.Kill())
		i = g.Info()
		assert.Equal(t, greenlet.Dead, i.State)
		assert.Zero(t, i.SuspendedAt)
	})
	assert.Equal(t, greenlet.Info{State: greenlet.Dead}, (*greenlet.Greenlet)(nil).Info())
}

// SuspendedAt is a line of the user's, however the greenlet was suspended.
func TestSuspendedAt(t *testing.T) {
	needsOneM(t, "it has none there")
	tree(t, func(root *greenlet.Greenlet) {
		line := func() int { _, _, n, _ := runtime.Caller(1); return n }
		find := func(parent *greenlet.Greenlet, want int) {
			t.Helper()
			children := parent.Children()
			onAnother(func() { assert.Equal(t, want, children[len(children)-1].Info().SuspendedAt.Line) })
		}
		var at int
		next, stop := greenlet.Pull(func(yield func(int) bool) {
			at = line() + 1
			yield(1)
		})
		_, _ = next()
		find(root, at)
		stop()
		c := greenlet.NewCoroutine(func(yield func(int) (int, error), _ int) error {
			at = line() + 1
			_, err := yield(1)
			return err
		})
		_, _, err := c.Resume(1)
		require.NoError(t, err)
		find(root, at)
		require.NoError(t, c.Stop())
		g := greenlet.New(func(any) (any, error) {
			at = line() + 1
			return root.Throw(errSome)
		})
		fails(t, errSome)(g.Switch(nil))
		find(root, at)
		require.NoError(t, g.Kill())
		var rootAt int
		g = greenlet.New(func(any) (any, error) {
			onAnother(func() { assert.Equal(t, rootAt, root.Info().SuspendedAt.Line) })
			return nil, nil
		})
		rootAt = line() + 1
		value(t, nil)(g.Switch(nil))
	})
}

// Every switch that a tracer sees is counted once, whichever way it goes.
func TestSwitchesAreCounted(t *testing.T) {
	play := func(traced bool) (counted map[string]uint64, seen map[string]uint64) {
		seen, counted = map[string]uint64{}, map[string]uint64{}
		tree(t, func(root *greenlet.Greenlet) {
			if traced {
				greenlet.SetTrace(func(_ greenlet.Event, origin, target *greenlet.Greenlet) {
					if origin != target {
						seen[target.Name()]++
					}
				})
			}
			g := named("echo", echo)
			for range 7 {
				_, _ = g.Switch(1)
			}
			_, _ = named("one", returns(nil, nil)).Switch(nil)
			_, _ = g.Stack(), g.Info()
			inC := suspendedInC(t, greenlet.WithName("in C"))
			_, _ = inC.Throw(errSome)
			next, _ := greenlet.Pull(func(yield func(int) bool) {
				for yield(1) {
				}
			})
			for range 9 {
				_, _ = next()
			}
			for g := range greenlet.All() {
				if i := g.Info(); i.Root == root.ID() {
					counted[i.Name] += i.Switches
				}
			}
			greenlet.SetTrace(nil)
		})
		return counted, seen
	}
	slow, seen := play(true)
	delete(seen, "one") // dead when they are counted
	delete(seen, "in C")
	assert.Equal(t, seen, slow)
	fast, _ := play(false)
	assert.Equal(t, slow, fast)
	assert.EqualValues(t, 9, fast[""], "the iterator")
	assert.EqualValues(t, 7, fast["echo"])
}

func TestDump(t *testing.T) {
	tree(t, func(root *greenlet.Greenlet) {
		g := named("outer", func(any) (any, error) {
			inner := named("inner", outerFrame, greenlet.WithParent(root))
			require.NoError(t, inner.SetParent(greenlet.Current()))
			_, err := inner.Switch(nil)
			if err == nil {
				_, err = root.Switch(nil)
			}
			return nil, err
		})
		_, err := g.Switch(nil)
		require.NoError(t, err)
		var b strings.Builder
		onAnother(func() { require.NoError(t, greenlet.Dump(&b)) })
		text := b.String()
		assert.Contains(t, text, greenlet.Runtime())
		where := ""
		if oneM() {
			where = ` at \S+_test.go:\d+ in \S+`
		}
		assert.Contains(t, text, fmt.Sprintf("the tree of root/%d, thread %d: 2 greenlets\nroot/%[1]d ", root.ID(), root.Info().Thread))
		assert.Regexp(t, `\nroot/\d+ +running  , \d+ switches\n  outer/\d+ +suspended`+where+`, 2 switches\n    inner/\d+ +suspended`+where+`, 1 switches\n`, text)
		failing := fmt.Errorf("the disk is full")
		assert.ErrorIs(t, greenlet.Dump(writer(func([]byte) (int, error) { return 0, failing })), failing)
	})
}

func TestDumpSaysWhichGoroutineAFreeTreeBelongsTo(t *testing.T) {
	if !oneM() {
		t.Skip("this engine has no free trees")
	}
	onGoroutine(func() {
		root := greenlet.Current()
		var id uint64
		var goroutine, header string
		_, err := fmt.Sscanf(root.String(), "root/%d (running, goroutine %s", &id, &goroutine)
		require.NoError(t, err)
		header = fmt.Sprintf("the tree of root/%d, goroutine %s: 0 greenlets", id, strings.TrimSuffix(goroutine, ")"))
		var b strings.Builder
		require.NoError(t, greenlet.Dump(&b))
		assert.Contains(t, b.String(), header)
	})
}

type writer func([]byte) (int, error)

func (w writer) Write(p []byte) (int, error) { return w(p) }

// onGoroutine runs f on another goroutine, and waits.
func onGoroutine(f func()) {
	done := make(chan bool)
	go func() {
		defer close(done)
		f()
	}()
	<-done
}
