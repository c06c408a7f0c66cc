//go:build cgo && linux

package libc_test

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-greenlet/greenlet"
	"github.com/go-greenlet/greenlet/examples/libc"
)

func TestSearch(t *testing.T) {
	for _, n := range []int{0, 1, 2, 3, 1000} {
		s := make([]int, n)
		for i := range s {
			s[i] = 2 * i
		}
		for x := -1; x <= 2*n; x++ {
			want, wanted := slices.BinarySearch(s, x)
			i, found := libc.Search(s, func(at int) int { return cmp.Compare(x, at) })
			require.Equal(t, wanted, found, x)
			if found {
				require.Equal(t, want, i)
			}
		}
	}
	assert.PanicsWithValue(t, "no", func() { libc.Search([]int{1, 2}, func(int) int { panic("no") }) })
}

// Two games of guessing, each a search that waits inside C for its answer, played in
// turn.
func TestSearchesInTurn(t *testing.T) {
	numbers := make([]int, 1000)
	for i := range numbers {
		numbers[i] = i
	}
	type game struct {
		c            *greenlet.Coroutine[int, int]
		secret, last int
		guess        int
		running      bool
	}
	games := make([]*game, 2)
	for i := range games {
		g := &game{secret: rand.IntN(1000), running: true}
		g.c = greenlet.NewCoroutine(func(ask func(int) (int, error), _ int) (failed error) {
			i, found := libc.Search(numbers, func(guess int) (answer int) {
				if failed == nil {
					answer, failed = ask(guess)
				}
				return answer
			})
			assert.True(t, found)
			g.last = i
			return failed
		})
		games[i] = g
	}
	guesses := 0
	for games[0].running || games[1].running {
		for _, g := range games {
			if !g.running {
				continue
			}
			var err error
			g.guess, g.running, err = g.c.Resume(cmp.Compare(g.secret, g.guess))
			require.NoError(t, err)
			guesses++
		}
	}
	for _, g := range games {
		assert.Equal(t, g.secret, g.last)
	}
	assert.Less(t, guesses, 30)
}
