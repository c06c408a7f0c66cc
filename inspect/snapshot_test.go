package inspect

import (
	"context"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-greenlet/greenlet"
	"github.com/go-greenlet/greenlet/internal/layer"
)

// at returns a look that began at that time after began, and its one greenlet, with so many switches.
func at(d time.Duration, switches uint64) (s snapshot, g *entry) {
	g = &entry{ID: 7, Switches: switches}
	return snapshot{Time: began.Add(d), Trees: []tree{{Root: 1, Greenlets: []*entry{g}}}}, g
}

func TestRates(t *testing.T) {
	var l looks
	see := func(d time.Duration, switches uint64) *entry {
		s, g := at(d, switches)
		l.compare(&s)
		assert.GreaterOrEqual(t, g.PerSecond, 0., d)
		assert.LessOrEqual(t, g.PerSecond, 1e6, d)
		assert.GreaterOrEqual(t, g.AtLeastMs, 0., d)
		return g
	}
	see(time.Second, 100)
	assert.EqualValues(t, 50, see(3*time.Second, 200).PerSecond)
	assert.EqualValues(t, 0, see(5*time.Second, 200).PerSecond)
	assert.EqualValues(t, 4000, see(7*time.Second, 200).AtLeastMs, "from the first look with that number")
	// A look that began earlier than the previous one and took longer, and one that has read an older
	// count than the previous one.
	see(6*time.Second, 200)
	see(8*time.Second, 150)
	see(2*time.Second, 150)
	see(9*time.Second, 300)
	assert.Len(t, l.seen, 1)
	s, _ := at(10*time.Second, 1)
	s.Trees = nil
	l.compare(&s)
	assert.Empty(t, l.seen, "a greenlet that has ended is removed")
}

// A greenlet that ends between find and lookAt is answered like one that does not exist.
func TestOneThatHasJustEnded(t *testing.T) {
	require.NoError(t, greenlet.Run(func(*greenlet.Greenlet) error {
		g := greenlet.New(func(any) (any, error) { return nil, nil })
		_, err := g.Switch(nil)
		w := httptest.NewRecorder()
		serveOne(w, httptest.NewRequest("GET", path+"/1", nil), g)
		assert.Equal(t, http.StatusNotFound, w.Code)
		return err
	}))
}

// Each greenlet is listed once, behind its parent and in its place among the parent's children. One
// whose parent is not in the list, or is itself, is below the root; a cycle, and what is too deep,
// comes last.
func TestTheOrderOfATree(t *testing.T) {
	list := func(parents ...uint64) (all []*entry) {
		for i, p := range parents {
			all = append(all, &entry{ID: uint64(i + 1), Parent: p})
		}
		return all
	}
	for _, c := range []struct {
		parents []uint64 // of 1, 2, ...; 1 is the root
		ids     []uint64
		depths  []int
	}{
		{[]uint64{0}, []uint64{1}, []int{0}},
		{[]uint64{0, 1, 2, 1, 2, 4}, []uint64{1, 2, 3, 5, 4, 6}, []int{0, 1, 2, 2, 1, 2}},
		{[]uint64{0, 4, 4, 1}, []uint64{1, 4, 2, 3}, []int{0, 1, 2, 2}},
		{[]uint64{0, 77, 3, 2}, []uint64{1, 2, 4, 3}, []int{0, 1, 2, 1}},
		{[]uint64{0, 3, 2, 3, 1}, []uint64{1, 5, 2, 3, 4}, []int{0, 1, 0, 0, 0}},
		{[]uint64{2, 1, 2}, []uint64{1, 2, 3}, []int{0, 1, 2}},
		{[]uint64{0, 1, 2, 3, 4, 1}, []uint64{1, 2, 3, 4, 6, 5}, []int{0, 1, 2, 3, 1, 0}},
	} {
		var ids []uint64
		var depths []int
		for _, o := range asTree(list(c.parents...), 3) {
			ids, depths = append(ids, o.ID), append(depths, o.Depth)
		}
		assert.Equal(t, c.ids, ids, c.parents)
		assert.Equal(t, c.depths, depths, c.parents)
	}
}

// A time in which the watchdog itself did not run counts as half a limit at most, because the
// greenlet may not have run either.
func TestAPauseOfTheWatchdogIsNoHold(t *testing.T) {
	const limit = 20 * time.Millisecond
	var all []Report
	w := &watchdog{limit: limit, report: func(r Report) { all = append(all, r) }, holds: map[uint64]*hold{}}
	require.NoError(t, greenlet.Run(func(*greenlet.Greenlet) error {
		g := greenlet.New(func(any) (any, error) {
			w.look()
			time.Sleep(5 * limit)
			w.look()
			assert.Empty(t, all)
			time.Sleep(limit)
			w.look()
			w.look()
			return nil, nil
		})
		_, err := g.Switch(nil)
		require.Len(t, all, 1)
		assert.Same(t, g, all[0].Greenlet)
		assert.GreaterOrEqual(t, all[0].Held, 6*limit)
		return err
	}))
}

// What comes after a look at a tree, such as the report for another one, is no part of the hold
// that the look has found.
func TestAReportForAnotherTreeIsNoHold(t *testing.T) {
	const limit, margin = time.Hour, time.Second
	release := make(chan struct{})
	var over sync.WaitGroup
	for range 2 {
		runs := make(chan struct{})
		over.Add(1)
		go func() {
			defer over.Done()
			assert.NoError(t, greenlet.Run(func(*greenlet.Greenlet) error {
				_, err := greenlet.New(func(any) (any, error) { close(runs); <-release; return nil, nil }).Switch(nil)
				return err
			}))
		}()
		<-runs
	}
	var all []Report
	w := &watchdog{limit: limit, report: func(r Report) { all = append(all, r); time.Sleep(margin) }, holds: map[uint64]*hold{}}
	w.look()
	var mine []*hold
	for _, tree := range layer.Trees() { // in the order in which a look meets them
		if !tree.IsRoot {
			mine = append(mine, w.holds[tree.Root])
		}
	}
	require.Len(t, mine, 2)
	mine[0].held, mine[1].held = limit, limit-margin
	begin := time.Now()
	for _, h := range mine {
		h.last = begin
	}
	w.look()
	require.NotEmpty(t, all)
	assert.Len(t, all, 1)
	assert.Less(t, mine[1].held, limit)
	assert.Less(t, mine[1].last.Sub(begin), margin)
	close(release)
	over.Wait()
}

// The watchdog reports a root that computes if its tree has started greenlets, which the root keeps
// from running, and does not report it if the tree has none.
func TestARootThatComputes(t *testing.T) {
	if !strings.HasPrefix(greenlet.Runtime(), "one M") {
		t.Skip("other engines cannot tell what a root does")
	}
	for _, alone := range []bool{true, false} {
		var reports []Report
		w := &watchdog{limit: time.Millisecond, report: func(r Report) { reports = append(reports, r) }, holds: map[uint64]*hold{}}
		require.NoError(t, greenlet.Run(func(root *greenlet.Greenlet) error {
			if !alone {
				_, err := greenlet.New(func(any) (any, error) { return root.Switch(nil) }).Switch(nil)
				require.NoError(t, err)
			}
			var looked atomic.Bool
			go func() {
				defer looked.Store(true)
				// Four looks make a hold. A look that meets the collector's scan bit does not
				// learn what the root does and begins again, so more may be needed.
				for n := 0; n < 10 || !alone && len(reports) == 0 && n < 10_000; n++ {
					w.look()
					time.Sleep(w.limit)
				}
			}()
			for !looked.Load() {
				runtime.Gosched() // a root that is runnable computes, too
			}
			if alone {
				assert.Empty(t, reports)
			} else if assert.Len(t, reports, 1) {
				assert.Same(t, root, reports[0].Greenlet)
				assert.False(t, reports[0].InC)
			}
			return nil
		}))
	}
}

// No more requests than cap(looking) enumerate all greenlets at the same time, and a client that
// waits for its turn may leave.
func TestLooksTakeTurns(t *testing.T) {
	for range cap(looking) {
		looking <- struct{}{}
	}
	ctx, cancel := context.WithCancel(context.Background())
	left, served := make(chan struct{}), make(chan *httptest.ResponseRecorder)
	go func() {
		defer close(left)
		w := httptest.NewRecorder()
		serve(w, httptest.NewRequest("GET", path, nil).WithContext(ctx))
		assert.Empty(t, w.Body.String())
	}()
	cancel()
	<-left
	go func() {
		w := httptest.NewRecorder()
		serve(w, httptest.NewRequest("GET", path, nil))
		served <- w
	}()
	for range cap(looking) {
		<-looking
	}
	assert.Contains(t, (<-served).Body.String(), "greenlets in")
	assert.Empty(t, looking)
}
