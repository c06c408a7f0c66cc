//go:build cgo && linux

package greenlet

import (
	"errors"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"
	"weak"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-greenlet/greenlet/internal/gort"
	"github.com/go-greenlet/greenlet/internal/layer"
)

// Trees that become idle and are used again, also at the moments at which somebody else comes across
// one.

func needsFast(t *testing.T) {
	if raceEnabled {
		t.Skip("under the race detector every start and switch takes the long way")
	}
}

// startedFast starts a body as a first next does. A collection at that moment is in the way of it.
func startedFast(p *pull[int], g *Greenlet) {
	for {
		if in, to := p.startFast(g); in != nil && to != nil {
			return
		}
	}
}

// endIdleTrees ends all trees that are idle, at once.
func endIdleTrees() {
	for _, t := range idleOnes() {
		t.endIdle()
	}
}

func (t *tree) idle() bool {
	state := t.known.Load()
	return state == treeIdle || state == treeUnused
}

// staysIdle is called for a tree that is in use: when it becomes idle, nobody looks how long it is, until
// the test ends.
func (t *tree) staysIdle(test *testing.T) {
	test.Cleanup(endIdleTrees)
	if _, yes := staying.LoadOrStore(t, true); yes {
		return
	}
	for !t.looked.CompareAndSwap(false, true) {
		endUnused() // which forgets it
		runtime.Gosched()
	}
}

var staying sync.Map

func idleOnes() (idle []*tree) {
	trees.mu.Lock()
	defer trees.mu.Unlock()
	for t := trees.first; t != nil; t = t.links.next {
		if t.idle() {
			idle = append(idle, t)
		}
	}
	return idle
}

func upwards(yield func(int) bool) {
	for i := 0; yield(i); i++ {
	}
}

// A tree is private before it is in the list of all: whoever lists the trees at that moment makes it
// one that is known, and it stays so.
func TestATreeIsPrivateBeforeItIsInTheList(t *testing.T) {
	needsFreeTrees(t)
	began, done := make(chan bool), make(chan bool)
	endIdleTrees()
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
	assert.Equal(t, treePrivate, made.known.Load())
	unlock()
	<-done
}

// A coroutine that has ended may be asked to stop at any time: also when the tree in which it has
// lived becomes that of another goroutine, at this moment.
func TestWhatHasEndedIsStoppedWhileItsTreeIsUsedAgain(t *testing.T) {
	needsFreeTrees(t)
	var over atomic.Bool
	latest := make(chan *Coroutine[int, int], 1)
	var making sync.WaitGroup
	making.Add(1)
	go func() {
		defer making.Done()
		for !over.Load() {
			elsewhere(func() {
				c := NewCoroutine(func(yield func(int) (int, error), _ int) error { return nil })
				_, ok, err := c.Resume(1)
				assert.True(t, !ok && err == nil)
				select {
				case latest <- c:
				default:
				}
			})
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
	needsFreeTrees(t)
	needsFast(t)
	elsewhere(func() {
		p := &pull[int]{seq: upwards}
		g := p.newGreenlet(0, p)
		p.asymmetric.c.run = runBody
		startedFast(p, g)
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
			endIdleTrees()
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
	needsFreeTrees(t)
	needsFast(t)
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
				startedFast(p, g)
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
	needsFreeTrees(t)
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
				assert.Equal(t, endReleased, in.end.Load())
				assert.Equal(t, treeKnown, in.known.Load())
				if name == "taken away" {
					for range 20 {
						assert.NotSame(t, in.record, freeRecords.Get(), "to be used again")
					}
				}
				next, stop := Pull(upwards)
				defer stop()
				next()
				assert.NotSame(t, in, treeHere())
			})
		})
	}
}

// Two bodies in one private tree leave two workers, which the next two use.
func TestWorkersOfAnIdleTreeAreUsedAgain(t *testing.T) {
	needsFreeTrees(t)
	withPlace(t, func() {
		var before []*worker
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
			in := treeHere()
			in.staysIdle(t)
			require.Empty(t, in.th.pool.idle)
			stop1()
			stop2()
			require.Nil(t, treeHere())
			require.Len(t, in.th.pool.idle, 2)
			if before != nil {
				require.ElementsMatch(t, before, in.th.pool.idle)
			}
			before = slices.Clone(in.th.pool.idle)
		}
	})
}

// The end of one iterator is not taken for that of the next one that goes on in the tree.
func TestTheEndOfOneIteratorIsNotThatOfAnother(t *testing.T) {
	needsFreeTrees(t)
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
	needsFreeTrees(t)
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
	needsFreeTrees(t)
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
					assert.Equal(t, treeKnown, found.known.Load())
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
	needsFreeTrees(t)
	withPlace(t, func() {
		trees := map[*tree]bool{}
		for range 200 { // it may end if the machine is busy
			next, stop := Pull(upwards)
			next()
			trees[treeHere()] = true
			stop()
		}
		assert.Less(t, len(trees), 20)
	})
}

// withPlace calls f on a goroutine whose place in the table is free, while no collection makes what is
// used known. The place may be that of a tree which another test has left, and which a collection ends.
func withPlace(t *testing.T, f func()) {
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	time.Sleep(100 * time.Millisecond) // what follows the last collection
	for began, done := time.Now(), false; !done; {
		require.Less(t, time.Since(began), time.Minute)
		elsewhere(func() {
			g, _ := gort.CurrentG()
			if in := roots.place(g).Load(); in == nil || in.idle() {
				f()
				done = true
			}
		})
		if !done {
			runtime.GC()
			time.Sleep(100 * time.Millisecond)
		}
	}
}

// once is a whole iteration. It returns the tree in which it was, and which stays idle.
func once(t *testing.T) *tree {
	next, stop := Pull(upwards)
	defer stop()
	v, ok := next()
	require.True(t, ok)
	require.Zero(t, v)
	in := treeHere()
	in.staysIdle(t)
	return in
}

// A tree keeps nothing of an iteration that has ended, nor does the iteration of the tree: neither a root's
// nor one that is idle.
func TestAnIterationThatHasEndedIsNotKept(t *testing.T) {
	needsFreeTrees(t)
	for name, begin := range map[string]func(){"a root": func() { Current() }, "none": func() {}} {
		t.Run(name, func(t *testing.T) {
			elsewhere(func() {
				begin()
				p := &pull[int]{seq: upwards}
				g := p.newGreenlet(1, p)
				require.True(t, p.next(g, "next"))
				p.endResume()
				p.stop(g, "stop")
				require.True(t, g.Dead())
				assert.Nil(t, p.asymmetric.waiter.by)
				left := weak.Make(p)
				p, g = nil, nil
				assert.Eventually(t, func() bool {
					runtime.GC()
					return left.Value() == nil
				}, time.Minute, time.Millisecond)
			})
		})
	}
}

// Nor does the root's tree keep a body that has yielded by the long way, as after a collection, to a next
// by the short one, and is forgotten then.
func TestAForgottenBodyIsNotKeptByItsLastYield(t *testing.T) {
	needsFreeTrees(t)
	var ended atomic.Bool
	elsewhere(func() {
		Current()
		next, _ := Pull(func(yield func(int) bool) {
			defer ended.Store(true)
			yield(1)
			epoch.Add(1)
			upwards(yield)
		})
		next()
		next()
		assert.Eventually(t, func() bool {
			runtime.GC()
			return ended.Load()
		}, time.Minute, time.Millisecond)
	})
}

// Nor a greenlet that has ended, with a value that its parent's Switch has got by the short way.
func TestADeadGreenletIsNotKeptByItsEnd(t *testing.T) {
	for name, inRoot := range map[string]bool{"to the root": true, "to another parent": false} {
		t.Run(name, func(t *testing.T) {
			require.NoError(t, Run(func(*Greenlet) error {
				var left weak.Pointer[Greenlet]
				life := func(any) (any, error) {
					g := New(func(v any) (any, error) { return v, nil })
					left = weak.Make(g)
					return g.Switch(1)
				}
				check := func() {
					assert.Eventually(t, func() bool {
						runtime.GC()
						return left.Value() == nil
					}, time.Minute, time.Millisecond)
				}
				if inRoot {
					_, err := life(nil)
					check()
					return err
				}
				_, err := New(func(any) (any, error) {
					_, err := life(nil)
					check()
					return nil, err
				}).Switch(nil)
				return err
			}))
		})
	}
}

// Between two iterations the goroutine is no root, for whoever asks.
func TestAnIdleTreeIsNotFound(t *testing.T) {
	needsFreeTrees(t)
	withPlace(t, func() {
		in := once(t)
		require.Equal(t, treeIdle, in.known.Load())
		_, found := LookupCurrent()
		assert.False(t, found)
		assert.NotContains(t, allTrees(), in)
		for g := range All() {
			assert.NotSame(t, in.root, g)
		}
		assert.Equal(t, treeIdle, in.known.Load(), "nobody makes it known")
		assert.Same(t, in, once(t))
		assert.NoError(t, Run(func(root *Greenlet) error {
			assert.NotSame(t, in.root, root)
			assert.NotSame(t, in, once(t))
			return nil
		}))
		assert.NotSame(t, in.root, Current())
		assert.NotSame(t, in, roots.place(in.rootG).Load(), "the idle tree has given up its place")
		assert.Equal(t, endReleased, in.end.Load())
	})
}

// A goroutine that is locked to its thread becomes a bound root, and the idle tree stays what it is.
func TestALockedGoroutineDoesNotUseAnIdleTree(t *testing.T) {
	needsFreeTrees(t)
	withPlace(t, func() {
		in := once(t)
		runtime.LockOSThread()
		bound := once(t)
		assert.NotSame(t, in, bound)
		assert.False(t, bound.free.Load())
		runtime.UnlockOSThread()
		assert.Nil(t, treeHere())
		assert.True(t, once(t).free.Load())
	})
}

// A body that has locked its goroutine, and ends so, leaves no lock, as without the next iteration.
func TestALockOfTheDeadIsNotKeptInAnIdleTree(t *testing.T) {
	needsFreeTrees(t)
	withPlace(t, func() {
		next, stop := Pull(func(yield func(int) bool) {
			runtime.LockOSThread()
			yield(0)
		})
		next()
		in := treeHere()
		in.staysIdle(t)
		stop()
		assert.False(t, gort.Locked())
		for range 2 {
			next, stop = Pull(func(yield func(int) bool) {
				assert.False(t, gort.Locked())
				yield(0)
				assert.False(t, gort.Locked())
			})
			next()
			assert.Same(t, in, treeHere())
			stop()
		}
	})
}

// Of more roots than the table has places some are not in it, and become no idle ones.
func TestIdleTreesAreInTheTable(t *testing.T) {
	needsFreeTrees(t)
	const n = 3000
	var all, begun sync.WaitGroup
	goOn := make(chan bool)
	var found, behind atomic.Int64
	for range n {
		all.Add(1)
		begun.Add(1)
		go func() {
			defer all.Done()
			next, stop := Pull(upwards)
			next()
			in := treeHere()
			begun.Done()
			<-goOn
			if roots.place(in.rootG).Load() != in {
				behind.Add(1)
			}
			stop()
			if treeHere() != nil {
				found.Add(1)
			}
		}()
	}
	begun.Wait()
	close(goOn)
	all.Wait()
	assert.Positive(t, behind.Load())
	assert.Zero(t, found.Load())
	assert.Eventually(t, func() bool {
		runtime.GC()
		roots.mu.Lock()
		defer roots.mu.Unlock()
		return len(roots.more) == 0 && roots.nmore.Load() == 0
	}, time.Minute, time.Millisecond)
}

// A goroutine makes a tree while its idle one is being ended, leaves it, and ends; a later one with the same
// g makes another. Each of the three is removed from the set in the end.
func TestTreesOfOneGoroutineInTheSet(t *testing.T) {
	needsFreeTrees(t)
	inMore := func() (n int, counted int64) {
		roots.mu.Lock()
		defer roots.mu.Unlock()
		return len(roots.more), roots.nmore.Load()
	}
	var idle, left *tree
	var stop func()
	withPlace(t, func() {
		idle = once(t)
		require.True(t, idle.known.CompareAndSwap(treeIdle, treeTaken), "as endIdle")
		var next func() (int, bool)
		next, stop = Pull(upwards)
		next()
		left = treeHere()
		require.NotSame(t, idle, left)
	})
	for began, met := time.Now(), false; !met; {
		require.Less(t, time.Since(began), time.Minute)
		elsewhere(func() {
			if g, _ := gort.CurrentG(); g == idle.rootG {
				met = true
				once(t)
			}
		})
	}
	n, counted := inMore()
	assert.Equal(t, int64(n), counted)
	idle.close(endReleased) // goes on
	stop()
	assert.Eventually(t, func() bool {
		runtime.GC()
		n, counted = inMore()
		return left.end.Load() != endNot && n == 0 && counted == 0
	}, time.Minute, time.Millisecond)
}

// A tree whose root has another g, and the same place in the table, is another goroutine's.
func TestAnIdleTreeIsTakenByTheSameGOnly(t *testing.T) {
	needsFreeTrees(t)
	withPlace(t, func() {
		in := once(t)
		require.Equal(t, treeIdle, in.known.Load())
		withPlace(t, func() {
			g, _ := gort.CurrentG()
			place := roots.place(g)
			defer place.Store(place.Swap(in))
			assert.Nil(t, takeIdle())
		})
		assert.Same(t, in, once(t))
	})
}

// How often the root was switched to begins anew.
func TestAnIdleTreeIsAsNew(t *testing.T) {
	needsFreeTrees(t)
	withPlace(t, func() {
		for range 10 {
			next1, stop1 := Pull(upwards)
			next2, stop2 := Pull(upwards)
			next1()
			next2()
			in := treeHere()
			in.staysIdle(t)
			assert.Equal(t, uint64(2), in.root.c.switchCount())
			stop1()
			stop2()
			assert.Equal(t, treeIdle, in.known.Load())
		}
	})
}

// A g is used again when its goroutine has ended, and then so is the tree. Of the goroutine before
// it knows nothing: a switch takes the short way at once, and who ends with a suspended body
// is an orphan's root.
func TestALaterGoroutineWithTheSameGUsesTheTree(t *testing.T) {
	needsFreeTrees(t)
	type id struct {
		g    uintptr
		goid uint64
	}
	last := map[*tree]id{}
	again := 0
	life := func() {
		officials := 0
		next, stop := Pull(upwards)
		for want := range 4 {
			v, ok := next()
			require.True(t, ok)
			require.Equal(t, want, v)
			if want == 0 {
				officials = treeHere().carrier.Officials
			}
		}
		in := treeHere()
		g, goid := gort.CurrentG()
		require.Equal(t, id{g, goid}, id{in.rootG, in.rootGoid.Load()})
		if before, yes := last[in]; yes {
			require.Equal(t, before.g, g)
			require.NotEqual(t, before.goid, goid)
			assert.True(t, raceEnabled || officials == in.carrier.Officials, "switched by the runtime")
			again++
		}
		last[in] = id{g, goid}
		stop()
	}
	for began := time.Now(); again == 0 && time.Since(began) < time.Minute; {
		runtime.GC() // the place in the table may be that of another test's tree, whose goroutine has ended
		for range 20 {
			elsewhere(life)
		}
	}
	assert.Positive(t, again)
}

// An idle tree whose goroutine has ended leaves nothing to end; one that a later goroutine has taken
// has a root that lives.
func TestAnIdleTreeIsNoOrphan(t *testing.T) {
	needsFreeTrees(t)
	var in *tree
	withPlace(t, func() { in = once(t) })
	for !in.rootGone() {
		runtime.Gosched()
	}
	in.endIfOrphan()
	assert.False(t, in.orphaned.Load())
	assert.True(t, in.endIdle())
	assert.Equal(t, endReleased, in.end.Load())
	assert.False(t, in.orphaned.Load())
}

// The trees that are idle end soon, without a collection, and their workers with them. Nothing of them is left in
// the tables.
func TestIdleTreesEndSoon(t *testing.T) {
	needsFreeTrees(t)
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	type life struct {
		in   *tree
		g    uintptr // the body's
		goid uint64
	}
	lives := make(chan *life, 50)
	var all sync.WaitGroup
	for range cap(lives) {
		all.Add(1)
		go func() {
			defer all.Done()
			l := &life{}
			next, stop := Pull(func(yield func(int) bool) {
				l.g, l.goid = gort.CurrentG()
				yield(1)
			})
			next()
			l.in = treeHere()
			stop()
			lives <- l
		}()
	}
	all.Wait()
	close(lives)
	for l := range lives {
		assert.Eventually(t, func() bool {
			return l.in.end.Load() == endReleased && roots.place(l.in.rootG).Load() != l.in && gort.GoroutineEnded(l.g, l.goid)
		}, time.Minute, time.Millisecond)
	}
}

// One that is used in every period lasts, whether or not endUnused has come across it.
func TestATreeThatIsUsedLasts(t *testing.T) {
	needsFreeTrees(t)
	withPlace(t, func() {
		var in *tree
		for i := range 100 {
			next, stop := Pull(upwards)
			next()
			if in != nil {
				require.Same(t, in, treeHere())
			}
			in = treeHere()
			in.staysIdle(t) // so that only this goroutine looks
			stop()
			if i%2 == 0 {
				require.True(t, in.known.CompareAndSwap(treeIdle, treeUnused))
			}
		}
	})
}

// endUnused looks at each tree that is idle, also if it has become so while endUnused was about to forget it:
// then the one who forgets it looks again.
func TestATreeThatIsForgottenAndBecomesIdleIsLookedAt(t *testing.T) {
	needsFreeTrees(t)
	for range 200 {
		var in *tree
		elsewhere(func() {
			for range 3 {
				next, stop := Pull(upwards)
				next()
				in = treeHere()
				go endUnused()
				stop()
			}
		})
		assert.Eventually(t, func() bool { return in.end.Load() != endNot || in.known.Load() == treeKnown }, time.Minute, time.Millisecond)
	}
}

// Iterations begin and end on short-lived goroutines while others end what is idle, list all trees,
// and observe.
func TestStressOfIdleTrees(t *testing.T) {
	needsFreeTrees(t)
	d := 300 * time.Millisecond
	if !testing.Short() {
		d = 3 * time.Second
	}
	var over atomic.Bool
	var all sync.WaitGroup
	beside := func(f func()) {
		all.Add(1)
		go func() {
			defer all.Done()
			for !over.Load() {
				f()
				runtime.Gosched()
			}
		}()
	}
	beside(runtime.GC)
	beside(endIdleTrees)
	beside(func() {
		for g := range All() {
			_ = g.String()
		}
	})
	beside(func() { time.Sleep(time.Millisecond); SetDetail(SetDetail(DetailTimes)) })
	// Bodies that are begun and left, or handed on.
	handed := make(chan func() (int, bool), 8)
	var left atomic.Int64
	beside(func() {
		elsewhere(func() {
			next, _ := Pull(func(yield func(int) bool) {
				left.Add(1)
				defer left.Add(-1)
				upwards(yield)
			})
			next()
			select {
			case handed <- next:
			default:
			}
		})
	})
	beside(func() {
		select {
		case next := <-handed:
			if v, ok := next(); v != 1 || !ok {
				assert.Fail(t, "a body that was handed on", "%d %v", v, ok)
			}
		default:
		}
	})
	for range 3 {
		beside(func() {
			elsewhere(func() {
				for range 3 {
					next, stop := Pull(upwards)
					for want := range 3 {
						if v, ok := next(); v != want || !ok {
							assert.Fail(t, "not the values of this Pull", "%d %v", v, ok)
						}
					}
					stop()
					if _, found := LookupCurrent(); found {
						assert.Fail(t, "a root that nobody uses")
					}
				}
			})
		})
	}
	time.Sleep(d)
	over.Store(true)
	all.Wait()
	for len(handed) > 0 {
		<-handed
	}
	assert.Eventually(t, func() bool {
		runtime.GC()
		return left.Load() == 0
	}, time.Minute, 10*time.Millisecond)
}

// A generator that two goroutines use at once says so to one of them, also at the moment at which it
// ends and its tree is used by a later goroutine.
func TestTwoAtOnceWhileTreesAreUsedAgain(t *testing.T) {
	needsFreeTrees(t)
	if raceEnabled {
		t.Skip("the detector reports the program's mistake")
	}
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
				elsewhere(func() {
					next, stop := Pull(upwards)
					for want := range 3 {
						if v, ok := next(); v != want || !ok {
							assert.Fail(t, "not the values of this Pull", "%d %v", v, ok)
						}
					}
					stop()
				})
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

// A tree in which nothing lives is left by the root's goroutine, whoever has ended last, and whatever way.
func TestAnImplicitTreeIsLeft(t *testing.T) {
	needsFreeTrees(t)
	ends := func(any) (any, error) { return nil, nil }
	do := func(v any, err error) any {
		assert.NoError(t, err)
		return v
	}
	for name, f := range map[string]func(){
		"a body that has begun nothing": func() { next, _ := Pull(func(func(int) bool) {}); next() },
		"a body, all of it":             func() { next, _ := Pull(func(yield func(int) bool) { yield(1) }); next(); next() },
		"a body, stopped":               func() { next, stop := Pull(upwards); next(); stop() },
		"a body, killed": func() {
			var g *Greenlet
			next, _ := Pull(func(yield func(int) bool) { g = Current(); yield(1) })
			next()
			assert.NoError(t, g.Kill())
		},
		"a body in another greenlet": func() {
			next, _ := Pull(func(yield func(int) bool) { yield(1) })
			do(New(func(any) (any, error) { next(); next(); return nil, nil }).Switch(nil))
		},
		"a body in a body": func() {
			next, _ := Pull(func(yield func(int) bool) {
				inner, _ := Pull(func(func(int) bool) {})
				inner()
				yield(1)
			})
			next()
			next()
		},
		"a coroutine": func() {
			c := NewCoroutine(func(yield func(int) (int, error), _ int) error { _, err := yield(1); return err })
			_, _, err := c.Resume(1)
			assert.NoError(t, err)
			assert.NoError(t, c.Stop())
		},
		"Goexit": func() {
			next, _ := Pull(func(yield func(int) bool) { yield(1); runtime.Goexit() })
			next()
			next()
		},
		"a panic": func() {
			defer func() { assert.NotNil(t, recover()) }()
			next, _ := Pull(func(func(int) bool) { panic(1) })
			next()
		},
		"a greenlet": func() { do(New(ends).Switch(nil)) },
		"a greenlet in another": func() {
			do(New(func(any) (any, error) { return New(ends).Switch(nil) }).Switch(nil))
		},
		"one whose child has ended to the root": func() {
			child := New(ends)
			g := New(func(any) (any, error) { return child.Switch(nil) })
			do(g.Switch(nil))
			assert.True(t, child.Dead() && !g.Dead())
			do(g.Switch(nil))
			assert.True(t, g.Dead())
		},
		"one whose pending child has ended to the root": func() {
			child := New(ends)
			g := New(func(any) (any, error) { return child.Throw(nil) })
			do(g.Switch(nil))
			assert.True(t, child.Dead() && !g.Dead())
			do(g.Switch(nil))
			assert.True(t, g.Dead())
		},
	} {
		t.Run(name, func(t *testing.T) {
			elsewhere(func() {
				defer func() { assert.Nil(t, treeHere()) }()
				f()
			})
		})
	}
}

// A body that its child kills while the root waits in the next passes control to the child, and not to the root.
func TestABodyThatItsChildKillsWhileTheRootWaits(t *testing.T) {
	elsewhere(func() {
		back := false
		c := NewCoroutine(func(func(int) (int, error), int) error {
			body := Current()
			_, err := New(func(any) (any, error) {
				err := body.Kill()
				back = true
				return nil, err
			}).Switch(nil)
			assert.Equal(t, ErrExit, err)
			return nil
		})
		_, ok, err := c.Resume(1)
		assert.False(t, ok)
		assert.NoError(t, err)
		assert.True(t, back)
	})
}

// The heir of a greenlet that ends gets its value, and not the root, which is the parent.
func TestAnHeirGetsTheEnd(t *testing.T) {
	require.NoError(t, Run(func(root *Greenlet) error {
		heir := New(func(any) (any, error) { return root.Switch(nil) })
		_, err := heir.Switch(nil)
		require.NoError(t, err)
		v, err := New(func(any) (any, error) {
			layer.Heir(unsafe.Pointer(heir))
			return 5, nil
		}).Switch(nil)
		assert.Equal(t, 5, v)
		assert.True(t, heir.Dead(), "it has passed it on")
		return err
	}))
}

// A short resume that is refused leaves nothing that the next body to go on would take for its own.
func TestARefusedResumeLeavesNothing(t *testing.T) {
	needsFreeTrees(t)
	needsFast(t)
	require.NoError(t, Run(func(root *Greenlet) error {
		p := &pull[int]{seq: upwards}
		g := p.newGreenlet(0, p)
		p.asymmetric.c.run = runBody
		require.True(t, p.next(g, "next"))
		p.endResume()
		in := treeHere()
		switches, waits := g.c.switchCount(), root.c.waits
		p.beginFastResume(in, g)
		in.stopping = true
		p.undoFastResume(in)
		assert.Nil(t, in.resumer)
		assert.False(t, in.stopping)
		assert.Same(t, root, in.current)
		assert.Equal(t, switches, g.c.switchCount())
		assert.Equal(t, waits, root.c.waits)
		p.stop(g, "stop")
		return nil
	}))
}

// An end counts as a switch to who gets it.
func TestAnEndIsCounted(t *testing.T) {
	require.NoError(t, Run(func(root *Greenlet) error {
		before := root.c.switchCount()
		_, err := New(func(any) (any, error) { return nil, nil }).Switch(nil)
		assert.Equal(t, before+1, root.c.switchCount())
		next, _ := Pull(func(func(int) bool) {})
		next()
		assert.Equal(t, before+2, root.c.switchCount())
		return err
	}))
}

// Who has left a tree idle does not touch it any more: a later goroutine with the same g may bind it to its thread. The
// race detector reports it if nothing else orders the two, so nobody waits for the first one.
func TestWhoLeavesATreeIdleDoesNotTouchItAfterwards(t *testing.T) {
	needsFreeTrees(t)
	if !raceEnabled {
		t.Skip("it is for the race detector")
	}
	for range 400 {
		go func() {
			next, stop := Pull(upwards)
			next()
			stop()
		}()
		time.Sleep(500 * time.Microsecond)
		go func() {
			next, stop := Pull(upwards)
			next()
			Current()
			stop()
			_, err := New(func(any) (any, error) { return nil, nil }, WithStackSize(1<<16)).Switch(nil)
			assert.NoError(t, err)
		}()
		time.Sleep(500 * time.Microsecond)
	}
	time.Sleep(50 * time.Millisecond) // the last ones
}
