//go:build cgo && linux

package greenlet

import (
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-greenlet/greenlet/internal/gort"
)

// Trees that are used again, at the moments at which somebody else comes across one.

func needsReuse(t *testing.T) {
	needsFreeTrees(t)
	if raceEnabled {
		t.Skip("no tree is private under the race detector")
	}
}

func upwards(yield func(int) bool) {
	for i := 0; yield(i); i++ {
	}
}

// A tree is private before it is in the list of all: whoever lists the trees at that moment makes it
// one that is known, and it stays so.
func TestATreeIsPrivateBeforeItIsInTheList(t *testing.T) {
	needsReuse(t)
	began, done := make(chan bool), make(chan bool)
	trees.mu.Lock() // so that the tree is made, and does not get into the list
	locked := true
	unlock := func() {
		if locked {
			locked = false
			trees.mu.Unlock()
		}
	}
	defer unlock()
	var g uintptr
	var goid uint64
	go func() {
		defer close(done)
		g, goid = gort.CurrentG()
		close(began)
		next, stop := Pull(upwards)
		next()
		stop()
	}()
	<-began
	var made *tree
	for made == nil {
		runtime.Gosched()
		made = roots.find(g, goid)
	}
	assert.True(t, made.private)
	unlock()
	<-done
}

// A coroutine that has ended may be asked to stop at any time: also when the tree in which it has
// lived becomes that of somebody else, at this moment.
func TestWhatHasEndedIsStoppedWhileItsTreeIsUsedAgain(t *testing.T) {
	needsReuse(t)
	var over atomic.Bool
	latest := make(chan *Coroutine[int, int], 1)
	var making sync.WaitGroup
	making.Add(1)
	go func() {
		defer making.Done()
		for !over.Load() {
			c := NewCoroutine(func(yield func(int) (int, error), _ int) error { return nil })
			_, ok, err := c.Resume(1)
			assert.True(t, !ok && err == nil)
			select {
			case latest <- c:
			default:
			}
		}
	}()
	rounds := 3000
	if testing.Short() {
		rounds = 300
	}
	for range rounds {
		c := <-latest
		for range 100 {
			require.NoError(t, c.Stop())
			_, ok, err := c.Resume(1)
			require.True(t, !ok && err == nil)
			// What a call asks that has found the coroutine living.
			in := c.g.c.tree.Load()
			require.False(t, in.runs(c.g.c))
			require.False(t, in.isHere())
			in.rootGone()
			_ = c.g.String()
		}
	}
	over.Store(true)
	making.Wait()
}

// If another goroutine takes a body over between its start and the first switch to it, the one
// that has started it is left without greenlets.
func TestAGoroutineIsLeftWithoutGreenletsIfItsFirstOneWasTakenOver(t *testing.T) {
	needsReuse(t)
	elsewhere(func() {
		p := &pull[int]{seq: upwards}
		g := p.newGreenlet(0, p)
		p.asymmetric.c.run = runBody
		in, to := p.startFast(g)
		require.NotNil(t, in)
		require.NotNil(t, to)
		elsewhere(func() { p.stop(g, "stop") })
		require.True(t, g.Dead())
		assert.False(t, p.next(g, "next"))
		assert.Nil(t, treeHere())
	})
}

// A goroutine becomes a root once for its first next, on each engine.
func TestTheFirstNextMakesOneRoot(t *testing.T) {
	least := uint64(1 << 62)
	for range 10 { // trees that end what is unreachable take numbers, too
		elsewhere(func() {
			first := New(nil).ID()
			next, stop := Pull(upwards)
			next()
			least = min(least, New(nil).ID()-first)
			stop()
		})
	}
	assert.Equal(t, uint64(3), least, "the body, the root, and the second one")
}

// Who starts a body and is kept from the first switch to it leaves it as one that has not begun: to
// stop it is not to run it.
func TestABodyThatWasStartedAndHasNotRunIsStoppedWithoutRunning(t *testing.T) {
	needsReuse(t)
	for name, stop := range map[string]func(p *pull[int], g *Greenlet){
		"here":      func(p *pull[int], g *Greenlet) { p.stop(g, "stop") },
		"elsewhere": func(p *pull[int], g *Greenlet) { elsewhere(func() { p.stop(g, "stop") }) },
		"after a collection": func(p *pull[int], g *Greenlet) {
			for now := epoch.Load(); epoch.Load() == now; runtime.Gosched() {
				runtime.GC()
			}
			p.stop(g, "stop")
		},
	} {
		t.Run(name, func(t *testing.T) {
			elsewhere(func() {
				ran := false
				p := &pull[int]{seq: func(func(int) bool) { ran = true }}
				g := p.newGreenlet(0, p)
				p.asymmetric.c.run = runBody
				in, _ := p.startFast(g)
				require.NotNil(t, in)
				stop(p, g)
				assert.True(t, g.Dead())
				assert.False(t, ran)
			})
		})
	}
}

// Whatever makes a tree one that others may know of keeps it from being used again: a switch that is
// to be noted, something to look for, a body that was taken over and may be known, one that was taken
// away.
func TestATreeIsNotUsedAgainAfterWhatOthersHaveDone(t *testing.T) {
	needsReuse(t)
	// taken returns a body that another goroutine has begun, and of which it has the Greenlet.
	taken := func() (next func() (int, bool), stop func(), known **Greenlet) {
		known = new(*Greenlet)
		next, stop = Pull(func(yield func(int) bool) {
			*known = Current()
			upwards(yield)
		})
		elsewhere(func() { next() })
		return next, stop, known
	}
	for name, once := range map[string]func() (in *tree){
		"observed from the beginning": func() *tree {
			defer SetDetail(SetDetail(DetailTimes))
			next, stop := Pull(upwards)
			next()
			defer stop()
			return treeHere()
		},
		"something to look for": func() *tree {
			next, stop := Pull(upwards)
			next()
			defer stop()
			in := treeHere()
			epoch.Add(1)
			next()
			return in
		},
		"taken over": func() *tree {
			next, stop, known := taken()
			next()
			in := treeHere()
			stop()
			root := (*known).Parent()
			assert.Same(t, in.root, root)
			return in
		},
		"taken away": func() *tree {
			next, stop := Pull(upwards)
			next()
			in := treeHere()
			elsewhere(stop)
			_, ok := next()
			assert.False(t, ok)
			assert.Nil(t, treeHere())
			return in
		},
	} {
		t.Run(name, func(t *testing.T) {
			elsewhere(func() {
				in := once()
				require.NotNil(t, in)
				for range 20 {
					if made := freeRecords.Get().(*freeRecord).made; made != nil {
						assert.NotSame(t, in, &made.t, "to be used again")
					}
				}
			})
		})
	}
}

// Two bodies in one private tree leave an idle worker, which the end of the tree retires. The next
// tree begins with its memory.
func TestARetiredWorkerIsUsedAgain(t *testing.T) {
	needsReuse(t)
	elsewhere(func() {
		for range 50 {
			next1, stop1 := Pull(upwards)
			next2, stop2 := Pull(upwards)
			for want := range 3 {
				for _, next := range []func() (int, bool){next1, next2} {
					v, ok := next()
					require.True(t, ok)
					require.Equal(t, want, v)
				}
			}
			stop1()
			stop2()
			require.Nil(t, treeHere())
		}
	})
}

// The end of one iterator is not taken for that of the next one that goes on in the tree.
func TestTheEndOfOneIteratorIsNotThatOfAnother(t *testing.T) {
	needsReuse(t)
	elsewhere(func() {
		next1, stop1 := Pull(upwards)
		next2, stop2 := Pull(upwards)
		next1()
		next2()
		stop1()
		for want := 1; want < 4; want++ {
			v, ok := next2()
			require.True(t, ok)
			require.Equal(t, want, v)
		}
		stop2()
	})
}

// A pending body that was made in one tree and is begun by another goroutine gets that one's root for
// its parent.
func TestABodyThatIsBegunElsewhereGetsItsParentThere(t *testing.T) {
	needsReuse(t)
	elsewhere(func() {
		Current()
		p := &pull[int]{seq: upwards}
		g := p.newGreenlet(0, p)
		p.asymmetric.c.run = runBody
		elsewhere(func() {
			if in, _ := p.startFast(g); in == nil {
				require.True(t, p.next(g, "next"))
			}
			assert.Same(t, treeHere().root, g.c.parent.Load())
			p.stop(g, "stop")
		})
	})
}

// A first next, and one after the end, are no ends of a section in which no greenlet lives.
func TestASectionLastsWhileANextIsRefused(t *testing.T) {
	needsFreeTrees(t)
	for name, begin := range map[string]func(){
		"free":  func() {},
		"bound": runtime.LockOSThread,
	} {
		t.Run(name, func(t *testing.T) {
			elsewhere(func() {
				begin()
				ended, stop := Pull(upwards)
				ended()
				stop()
				pending, stop := Pull(upwards)
				defer stop()
				require.NoError(t, enterSection())
				_, ok := ended()
				assert.False(t, ok)
				func() {
					defer func() {
						err, _ := recover().(error)
						assert.ErrorIs(t, err, errSection)
					}()
					pending()
				}()
				assert.NoError(t, leaveSection())
				assert.Nil(t, treeHere())
			})
		})
	}
}

// A tree that somebody else may know is never used again: who has got hold of it still finds what
// it was.
func TestATreeThatIsKnownIsNotUsedAgain(t *testing.T) {
	needsReuse(t)
	collect := func() {
		for now := epoch.Load(); epoch.Load() == now; runtime.Gosched() {
			runtime.GC()
		}
	}
	var known any // as whatever has found the tree would hold it
	for name, find := range map[string]struct {
		inBody, between func()
	}{
		"Current":    {inBody: func() { known = Current() }},
		"New":        {inBody: func() { known = New(func(any) (any, error) { return nil, nil }) }},
		"another":    {inBody: func() { known, _ = New(func(any) (any, error) { return nil, nil }).Switch(nil) }},
		"Pull":       {inBody: func() { known, _ = Pull(upwards) }},
		"All":        {between: func() { All()(func(*Greenlet) bool { return true }) }},
		"collection": {between: collect},
		"error":      {inBody: func() { known = fail("op", nil, errors.New("refused"), "") }},
	} {
		t.Run(name, func(t *testing.T) {
			elsewhere(func() {
				trees := map[*tree]bool{}
				for range 20 {
					next, stop := Pull(func(yield func(int) bool) {
						for i := 0; yield(i); i++ {
							if find.inBody != nil {
								find.inBody()
							}
						}
					})
					next()
					found := treeHere()
					require.NotNil(t, found)
					assert.False(t, trees[found], "used again")
					if find.between != nil {
						find.between()
					}
					next()
					assert.False(t, found.private)
					trees[found] = true
					stop()
				}
			})
		})
	}
	runtime.KeepAlive(known)
}

// Control: the test before would notice.
func TestAPrivateTreeIsUsedAgain(t *testing.T) {
	needsReuse(t)
	elsewhere(func() {
		trees := map[*tree]bool{}
		for range 200 { // a collection empties the pool, and the goroutine may change processors
			next, stop := Pull(upwards)
			next()
			trees[treeHere()] = true
			stop()
		}
		assert.Less(t, len(trees), 100)
	})
}

// A generator that two goroutines use at once says so to one of them, also at the moment at which it
// ends and its tree becomes that of a third goroutine.
func TestTwoAtOnceWhileTreesAreUsedAgain(t *testing.T) {
	needsReuse(t)
	rounds := 3000
	if testing.Short() {
		rounds = 300
	}
	var over atomic.Bool
	var others, pair sync.WaitGroup
	for range 2 {
		others.Add(1)
		go func() {
			defer others.Done()
			for !over.Load() {
				next, stop := Pull(upwards)
				for want := range 3 {
					if v, ok := next(); v != want || !ok {
						assert.Fail(t, "not the values of this Pull", "%d %v", v, ok)
					}
				}
				stop()
			}
		}()
	}
	for range rounds {
		next, stop := Pull(func(yield func(int) bool) {
			for i := 0; i < 3 && yield(i); i++ {
			}
		})
		for range 2 {
			pair.Add(1)
			go func() {
				defer pair.Done()
				defer func() {
					if r := recover(); r != nil {
						err, ok := r.(error)
						if !ok || !errors.Is(err, ErrWrongThread) && !errors.Is(err, ErrThreadExited) {
							assert.Fail(t, "not refused", "%v", r)
						}
					}
				}()
				for ok := true; ok; {
					_, ok = next()
				}
				stop()
			}()
		}
		pair.Wait()
	}
	over.Store(true)
	others.Wait()
}
