//go:build cgo && linux

// Package hubtest has what is to be tested of each library in package hub.
package hubtest

import (
	"fmt"
	"os"
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-greenlet/greenlet"
	"github.com/go-greenlet/greenlet/internal/foreign/foreigntest"
	"github.com/go-greenlet/greenlet/internal/foreign/hub"
)

// down pauses at some depth of Go frames, whose locals are looked at on the way back.
func down(n, mark int) int {
	var room [256]byte
	for i := range room {
		room[i] = byte(mark)
	}
	if n == 0 {
		hub.Pause()
	} else if down(n-1, mark+1) != mark+1 {
		return -1
	}
	for _, b := range room {
		if b != byte(mark) {
			return -1
		}
	}
	return mark
}

// All runs the tests. Its process is one in which nobody else uses the library.
func All(t *testing.T, l hub.Library) {
	const unadopted = "HUB_UNADOPTED"
	if os.Getenv(unadopted) != "" {
		churn(t, l, false)
		t.Fatal("it survives")
	}
	t.Run("Adopted", func(t *testing.T) { churn(t, l, true) })
	t.Run("Greenlets", func(t *testing.T) { greenlets(t, l) })
	name := t.Name()
	t.Run("Unadopted", func(t *testing.T) { foreigntest.Crashes(t, name, unadopted) })
}

// churn has threads that pause, each in its own rhythm, at various depths of Go frames.
func churn(t *testing.T, l hub.Library, adopted bool) {
	order := make([]int, 0, 2000)
	for round := range 3 {
		const n = 20
		done := 0
		order = order[:0]
		require.NoError(t, l.Run(adopted, n, func(i int) {
			for k := range 20 + i {
				order = append(order, i)
				if down((i*7+k)%40, i) != i {
					t.Errorf("thread %d: a local has changed", i)
				}
				if (i+k)%17 == 0 {
					runtime.GC()
				}
			}
			done++
		}))
		assert.Equal(t, n, done)
		turns := 0
		for i := 1; i < len(order); i++ {
			if order[i] != order[i-1] {
				turns++
			}
		}
		assert.Greater(t, turns, len(order)/2, "they take turns (round %d)", round)
	}
}

// greenlets has a greenlet in each thread, that is suspended while the thread pauses.
func greenlets(t *testing.T, l hub.Library) {
	results := map[int]string{}
	require.NoError(t, l.Run(true, 5, func(i int) {
		var parent *greenlet.Greenlet
		g := greenlet.New(func(v any) (any, error) {
			s := fmt.Sprint(v)
			for range 3 {
				v, err := parent.Switch(s)
				if err != nil {
					return nil, err
				}
				s += fmt.Sprint(v)
			}
			return s + ".", nil
		})
		parent = greenlet.Current()
		for k := range 4 {
			results[i] = g.MustSwitch(i*10 + k).(string)
			hub.Pause()
		}
	}))
	for i := range 5 {
		assert.Equal(t, fmt.Sprintf("%d%d%d%d.", i*10, i*10+1, i*10+2, i*10+3), results[i])
	}
}
