package inspect

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-greenlet/greenlet"
)

// at is a look that was begun so long after began and has found so many switches.
func at(d time.Duration, switches uint64) (s snapshot, g *oneOfAll) {
	g = &oneOfAll{ID: 7, Switches: switches}
	return snapshot{Time: began.Add(d), Trees: []tree{{Root: 1, Greenlets: []*oneOfAll{g}}}}, g
}

func TestRates(t *testing.T) {
	var l looks
	see := func(d time.Duration, switches uint64) *oneOfAll {
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
	// One that was begun earlier and took longer, and one that was overtaken while it read.
	see(6*time.Second, 200)
	see(8*time.Second, 150)
	see(2*time.Second, 150)
	see(9*time.Second, 300)
	assert.Len(t, l.seen, 1)
	s, _ := at(10*time.Second, 1)
	s.Trees = nil
	l.compare(&s)
	assert.Empty(t, l.seen, "who is gone is forgotten")
}

// One that ends between the moment at which it is found and that at which it is looked at is not
// there either.
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

// While the watchdog itself had no time, nobody else is known to have had any.
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

// There are so many looks at all at a time. Who waits for one may leave.
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
