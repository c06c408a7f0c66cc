//go:build go1.25 && cgo && linux

package greenlet_test

import (
	"bytes"
	"runtime/trace"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A flight recorder is a trace that goes on for ever, and of which the end is asked for.
func TestFlightRecorderSnapshots(t *testing.T) {
	if raceEnabled {
		t.Skip("it runs go tool trace")
	}
	needsOneM(t, "there all greenlets of a thread have the thread's number in a trace")
	goTool(t)
	r := trace.NewFlightRecorder(trace.FlightRecorderConfig{MinAge: 20 * time.Millisecond, MaxBytes: 1 << 20})
	require.NoError(t, r.Start())
	defer r.Stop()
	var snapshots [][]byte
	n := 0
	whileSwitching(t, 20, func() {
		if n++; n%3 == 0 {
			lifetimes(t)
		}
		var buf bytes.Buffer
		_, err := r.WriteTo(&buf)
		require.NoError(t, err)
		if len(snapshots) < 2 {
			snapshots = append(snapshots, buf.Bytes())
		}
		time.Sleep(time.Millisecond)
	})
	for _, data := range snapshots {
		parsed(t, data)
	}
}
