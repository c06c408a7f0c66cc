//go:build cgo && linux

package ucontext_test

import (
	"io"
	"runtime/trace"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/go-greenlet/greenlet/internal/foreign"
	"github.com/go-greenlet/greenlet/internal/foreign/foreigntest"
)

// The end of an execution trace unwinds the goroutines that have not run meanwhile, by their
// frame pointers unless it sees that there is C on them: also in the middle of an announcement.
func TestTracesDoNotFollowFramePointersIntoC(t *testing.T) {
	needsOneM(t)
	l := library(t)
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-stop:
				return
			default:
				if trace.Start(io.Discard) == nil {
					time.Sleep(100 * time.Microsecond)
					trace.Stop()
				}
			}
		}
	}()
	rounds := 10
	if testing.Short() {
		rounds = 3
	}
	work := func() {
		co, err := l.New(foreign.Unknown, func(yield func()) bool { yield(); return false })
		if !assert.NoError(t, err) || !assert.NoError(t, co.Resume()) {
			return
		}
		for range rounds {
			assert.NoError(t, co.AnnounceFor(100*time.Millisecond))
		}
		assert.NoError(t, co.Resume())
		assert.NoError(t, co.Free())
	}
	foreigntest.Locked(work)
	assert.NoError(t, foreign.Thread(work))
	close(stop)
	<-done
}
