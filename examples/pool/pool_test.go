package main

import (
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-greenlet/greenlet"
)

func needsFree(t *testing.T) {
	t.Helper()
	if !strings.HasPrefix(greenlet.Runtime(), "one M") {
		t.Skip("coroutines stay on their threads on the portable engine")
	}
}

// The numbers of solutions are known (OEIS A000170), and any order of the tasks has to find them.
func TestQueens(t *testing.T) {
	needsFree(t)
	for n, want := range []int64{1: 1, 2: 0, 3: 0, 4: 2, 5: 10, 6: 4, 7: 40, 8: 92, 9: 352, 10: 724} {
		if n == 0 {
			continue
		}
		for _, workers := range []int{1, 2, 7} {
			found, tasks, stolen, err := Run(workers, Board{n: n}.task)
			require.NoError(t, err)
			assert.Equal(t, want, found, "%d queens, %d workers", n, workers)
			assert.Positive(t, tasks)
			if workers == 1 {
				assert.Zero(t, stolen)
			}
		}
		assert.Equal(t, want, Board{n: n}.goroutines())
	}
}

// The error of a task ends the pool and is returned by Run.
func TestAFailureEndsThePool(t *testing.T) {
	needsFree(t)
	failure := errors.New("failure")
	_, _, _, err := Run(3, func(t *Task) int64 {
		for i := range 10 {
			t.Fork(func(t *Task) int64 {
				if i == 5 {
					t.err = failure
				}
				return 0
			})
		}
		return t.Wait()
	})
	assert.ErrorIs(t, err, failure)
}

func BenchmarkQueens(b *testing.B) {
	b.Run("greenlets", func(b *testing.B) {
		for b.Loop() {
			if _, _, _, err := Run(4, Board{n: 9}.task); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("goroutines", func(b *testing.B) {
		for b.Loop() {
			Board{n: 9}.goroutines()
		}
	})
}
