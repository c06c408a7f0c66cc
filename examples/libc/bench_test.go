//go:build cgo && linux

package libc_test

import (
	"cmp"
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-greenlet/greenlet"
	"github.com/go-greenlet/greenlet/examples/libc"
)

// Each function in the form in which C calls back, and turned inside out.

func BenchmarkWalk(b *testing.B) {
	root, err := exec.Command("go", "env", "GOROOT").Output()
	require.NoError(b, err)
	dir := filepath.Join(strings.TrimSpace(string(root)), "src", "encoding")
	n := 0
	for range libc.Walk(dir) {
		n++
	}
	require.Greater(b, n, 1, "needs Go's source files in GOROOT")
	report := func(b *testing.B) { b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/entry") }
	b.Run("push", func(b *testing.B) {
		for b.Loop() {
			for range libc.Walk(dir) {
			}
		}
		report(b)
	})
	b.Run("pull", func(b *testing.B) {
		for b.Loop() {
			next, stop := greenlet.Pull2(libc.Walk(dir))
			for _, _, ok := next(); ok; _, _, ok = next() {
			}
			stop()
		}
		report(b)
	})
}

// asked calls f with a function that has another greenlet answer.
func asked(b *testing.B, f func(ask func(a, b int) int)) {
	require.NoError(b, greenlet.Run(func(*greenlet.Greenlet) error {
		var asker *greenlet.Greenlet
		judge := greenlet.New(func(v any) (_ any, err error) {
			for err == nil {
				q := v.(*pair)
				q.a = cmp.Compare(q.a, q.b)
				v, err = asker.Switch(q)
			}
			return nil, err
		})
		asker = greenlet.New(func(any) (any, error) {
			q := &pair{}
			f(func(a, b2 int) int {
				*q = pair{a, b2}
				_, err := judge.Switch(q)
				require.NoError(b, err)
				return q.a
			})
			return nil, nil
		})
		_, err := asker.Switch(nil)
		return err
	}))
}

func BenchmarkSort(b *testing.B) {
	unsorted := rand.Perm(1000)
	run := func(b *testing.B, compare func(a, b int) int) {
		n := 0
		for b.Loop() {
			libc.Sort(slices.Clone(unsorted), func(a, b int) int {
				n++
				return compare(a, b)
			})
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n), "ns/comparison")
	}
	b.Run("push", func(b *testing.B) { run(b, cmp.Compare[int]) })
	b.Run("pull", func(b *testing.B) { asked(b, func(ask func(a, b int) int) { run(b, ask) }) })
}

func BenchmarkSearch(b *testing.B) {
	sorted := make([]int, 1000)
	for i := range sorted {
		sorted[i] = i
	}
	run := func(b *testing.B, compare func(a, b int) int) {
		n := 0
		for b.Loop() {
			_, found := libc.Search(sorted, func(at int) int {
				n++
				return compare(700, at)
			})
			require.True(b, found)
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n), "ns/comparison")
	}
	b.Run("push", func(b *testing.B) { run(b, cmp.Compare[int]) })
	b.Run("pull", func(b *testing.B) { asked(b, func(ask func(a, b int) int) { run(b, ask) }) })
}
