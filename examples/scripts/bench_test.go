//go:build greenlet_foreign && cgo && linux

package scripts_test

import (
	"encoding/json"
	"log"
	"os"
	"os/exec"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-greenlet/greenlet/examples/scripts"
)

const (
	asMany = 1000 // scripts at once
	waits  = 10
	wait   = 100 * time.Millisecond
)

func TestMain(m *testing.M) {
	if mode := os.Getenv("SCRIPTS_MEASURE"); mode != "" {
		measured, err := scripts.Measure(mode == "one", asMany, waits, wait)
		if err == nil {
			err = json.NewEncoder(os.Stdout).Encode(measured)
		}
		if err != nil {
			log.Fatal(err)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// Scripts on one thread and on a thread each, which take turns, each time in a process of its
// own: medians of b.N rounds. "late" is how much later than its waits a script has ended.
func BenchmarkScripts(b *testing.B) {
	sides := map[string]map[string][]float64{"one": {}, "threads": {}}
	for range b.N {
		for mode, all := range sides {
			c := exec.Command(os.Args[0])
			c.Env = append(os.Environ(), "SCRIPTS_MEASURE="+mode)
			c.Stderr = os.Stderr
			out, err := c.Output()
			require.NoError(b, err)
			var m scripts.Measurement
			require.NoError(b, json.Unmarshal(out, &m))
			for unit, v := range map[string]float64{
				"median-late-ms": float64(m.Median-waits*wait) / 1e6, "latest-late-ms": float64(m.Latest-waits*wait) / 1e6,
				"cpu-us/script": float64(m.CPU) / 1e3, "KiB/script": float64(m.Memory) / 1024, "threads": float64(m.Threads),
			} {
				all[unit] = append(all[unit], v)
			}
		}
	}
	for mode, all := range sides {
		for unit, v := range all {
			slices.Sort(v)
			b.ReportMetric(v[len(v)/2], mode+"-"+unit)
		}
	}
	b.ReportMetric(0, "ns/op")
}
