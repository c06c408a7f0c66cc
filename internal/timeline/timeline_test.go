package timeline

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-greenlet/greenlet/internal/gort"
)

func track(id uint64) *Track { return NewTrack(id, new(atomic.Pointer[string])) }

var began = time.Now()

func recording(events int, last time.Duration) *Recording {
	r := New(events, int64(last), func() int64 { return int64(time.Since(began)) })
	r.began = r.stamp()
	return r
}

// filled adds a Begin and so many switches between two greenlets, whose IDs follow the root's.
func filled(l *Lane, switches int) {
	a, b := track(l.Root.ID+1), track(l.Root.ID+2)
	l.Add(gort.Ticks(), nil, a, Begin)
	for range switches {
		l.Add(gort.Ticks(), a, b, Switch)
		a, b = b, a
	}
}

func count(lines []Line) (n int) {
	for _, l := range lines {
		n += len(l.Events)
	}
	return n
}

// The bound holds for the events of trees that have ended, and such a tree leaves nothing else in
// the recording.
func TestManyTreesThatEnd(t *testing.T) {
	const limit, trees, each = 1000, 3000, 4
	r := recording(limit, 0)
	for i := range uint64(trees) {
		l := r.Lane(track(10*i), 1)
		filled(l, each-2)
		l.Close(gort.Ticks())
	}
	lines, _, _, lost := r.Lines()
	assert.Equal(t, limit, count(lines))
	assert.Equal(t, trees*each-limit, lost)
	assert.Len(t, lines, limit/each)
	assert.EqualValues(t, 10*(trees-1), lines[len(lines)-1].Root.ID, "the last ones")
	assert.Empty(t, r.open)
	memory := 0
	for _, c := range r.full {
		memory += cap(c.events)
	}
	assert.LessOrEqual(t, memory, limit)
}

// If the events of a tree that makes no switches are dropped because other trees make many, it is
// still known which greenlet runs in that tree.
func TestWhoRunsIsKnownOfWhatIsDropped(t *testing.T) {
	for name, last := range map[string]time.Duration{"too many events": 0, "too old": 20 * time.Millisecond} {
		t.Run(name, func(t *testing.T) {
			r := recording(512, last)
			quiet := r.Lane(track(100), 1)
			filled(quiet, 20) // more events than the first chunk has
			quiet.Mark(gort.Ticks(), track(101), "not who runs")
			time.Sleep(last + last/2)
			others := r.Lane(track(200), 2)
			filled(others, 5000)
			lines, since, ended, lost := r.Lines()
			require.Len(t, lines, 2)
			require.NotEmpty(t, lines[0].Events)
			e := lines[0].Events[0]
			assert.Equal(t, Begin, e.Kind)
			for _, next := range lines[0].Events[1:] {
				if next.decides() {
					assert.Same(t, e.To, next.From, "without a gap")
					e = next
				}
			}
			assert.EqualValues(t, 101, e.To.ID)
			if last != 0 {
				require.Len(t, lines[0].Events, 1)
				assert.Less(t, e.At, since)
				assert.EqualValues(t, last, ended-since)
			}
			assert.Greater(t, lost, 4000, "what there was no room for is told of")
			assert.LessOrEqual(t, count(lines), 512+2*chunkSize)
		})
	}
}

// A recording with a time limit drops older events, and does not count them as lost.
func TestWhatIsTooOldIsNotLost(t *testing.T) {
	const last = 20 * time.Millisecond
	r := recording(1_000_000, last)
	l := r.Lane(track(100), 1)
	filled(l, 5000)
	time.Sleep(2 * last)
	filled(l, 600)
	lines, since, _, lost := r.Lines()
	assert.Zero(t, lost)
	assert.Less(t, r.kept, 2000)
	for _, e := range lines[0].Events[1:] {
		assert.GreaterOrEqual(t, e.At, since)
	}
}
