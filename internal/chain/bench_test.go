//go:build cgo && linux

package chain_test

import (
	"slices"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-greenlet/greenlet"
	"github.com/go-greenlet/greenlet/internal/capitest"
	"github.com/go-greenlet/greenlet/internal/chain"
)

// What it costs to go to a greenlet that waits in C, and back, and what it costs more with words
// that it carries. All take turns in one process; ratios are medians of the rounds' ratios, to a
// greenlet in C without words.
func BenchmarkCarry(b *testing.B) {
	const round = 2000
	require.NoError(b, greenlet.Run(func(root *greenlet.Greenlet) error {
		at, size := chain.Word()
		var bytes []greenlet.Option
		for i := range size {
			bytes = append(bytes, greenlet.WithThreadLocal(unsafe.Add(at, i), 1))
		}
		sides := []struct {
			name    string
			inC     bool
			options []greenlet.Option
		}{
			{"in-C", true, nil},
			{"in-Go", false, nil},
			{"one-word", true, []greenlet.Option{greenlet.WithThreadLocal(at, size)}},
			{"eight-words", true, bytes},
		}
		var all []*greenlet.Greenlet
		for _, s := range sides {
			wait := func() {
				for {
					if _, err := root.Switch(nil); err != nil {
						return
					}
				}
			}
			g := greenlet.New(func(any) (any, error) {
				if s.inC {
					capitest.Hold(1, wait)
				} else {
					wait()
				}
				return nil, nil
			}, s.options...)
			_, err := g.Switch(nil)
			require.NoError(b, err)
			all = append(all, g)
		}
		took, ratios := make([][]float64, len(all)), make([][]float64, len(all))
		for range b.N {
			for i, g := range all {
				start := time.Now()
				for range round {
					if _, err := g.Switch(nil); err != nil {
						return err
					}
				}
				ns := float64(time.Since(start).Nanoseconds()) / round
				took[i] = append(took[i], ns)
				ratios[i] = append(ratios[i], ns/took[0][len(took[0])-1])
			}
		}
		for i, s := range sides {
			b.ReportMetric(median(took[i]), s.name+"-ns")
			b.ReportMetric(median(ratios[i]), s.name+"-ratio")
			assert.NoError(b, all[i].Kill())
		}
		return nil
	}))
}

func median(all []float64) float64 {
	slices.Sort(all)
	return all[len(all)/2]
}
