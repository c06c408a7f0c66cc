package inspect

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
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
