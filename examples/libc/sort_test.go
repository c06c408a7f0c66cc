//go:build cgo && linux

package libc_test

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-greenlet/greenlet"
	"github.com/go-greenlet/greenlet/examples/libc"
)

func TestSort(t *testing.T) {
	for _, n := range []int{0, 1, 2, 3, 1000} {
		s := rand.Perm(n)
		want := slices.Clone(s)
		slices.Sort(want)
		libc.Sort(s, cmp.Compare)
		assert.Equal(t, want, s)
	}
}

// A C int holds less than a Go int.
func TestSortByLargeDifference(t *testing.T) {
	s := []int{1 << 33, 0, math.MaxInt, 1 << 32}
	libc.Sort(s, func(a, b int) int { return a - b })
	assert.Equal(t, []int{0, 1 << 32, 1 << 33, math.MaxInt}, s)
}

type pair struct{ a, b int }

// A sort is suspended at each of its comparisons.
type sort struct {
	numbers  []int
	c        *greenlet.Coroutine[int, pair]
	question pair
	running  bool
}

func (s *sort) answer(answer int) (err error) {
	s.question, s.running, err = s.c.Resume(answer)
	return err
}

func newSort(n int) *sort {
	s := &sort{numbers: rand.Perm(n)}
	s.c = greenlet.NewCoroutine(func(ask func(pair) (int, error), _ int) (failed error) {
		libc.Sort(s.numbers, func(a, b int) (answer int) {
			if failed == nil {
				answer, failed = ask(pair{a, b})
			}
			return answer
		})
		return failed
	})
	return s
}

func TestSortsAnsweredByAnotherGreenlet(t *testing.T) {
	require.NoError(t, greenlet.Run(func(root *greenlet.Greenlet) error {
		judge := greenlet.New(func(q any) (any, error) {
			for {
				var err error
				if q, err = root.Switch(cmp.Compare(q.(pair).a, q.(pair).b)); err != nil {
					return nil, err
				}
			}
		})
		all := []*sort{newSort(1000), newSort(1000), newSort(1000)}
		for _, s := range all {
			require.NoError(t, s.answer(0)) // begins
		}
		running := slices.Clone(all)
		for n := 0; len(running) > 0; n++ {
			s := running[rand.IntN(len(running))]
			answer, err := judge.Switch(s.question)
			require.NoError(t, err)
			require.NoError(t, s.answer(answer.(int)))
			running = slices.DeleteFunc(running, func(s *sort) bool { return !s.running })
			if n%1000 == 0 {
				runtime.GC()
			}
		}
		for _, s := range all {
			assert.Len(t, s.numbers, 1000)
			assert.True(t, slices.IsSorted(s.numbers))
		}
		return nil
	}))
}

func TestStoppedSortLosesNothing(t *testing.T) {
	s := newSort(100)
	before := slices.Clone(s.numbers)
	require.NoError(t, s.answer(0))
	require.NoError(t, s.answer(1))
	require.NoError(t, s.c.Stop())
	assert.ElementsMatch(t, before, s.numbers)
}

func TestPanicInSort(t *testing.T) {
	s := rand.Perm(100)
	before := slices.Clone(s)
	calls := 0
	broken := errors.New("broken")
	assert.PanicsWithValue(t, broken, func() {
		libc.Sort(s, func(a, b int) int {
			if calls++; calls == 10 {
				panic(broken)
			}
			return cmp.Compare(a, b)
		})
	})
	assert.Equal(t, 10, calls)
	assert.Equal(t, before, s)
}

func ExampleSort() {
	words := []string{"pear", "fig", "apple"}
	libc.Sort(words, strings.Compare)
	fmt.Println(words)
	// Output: [apple fig pear]
}
