package gort_test

import (
	"io"
	"runtime"
	"runtime/trace"
	"strings"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-greenlet/greenlet"
	"github.com/go-greenlet/greenlet/internal/gort"
)

// A signals is what an M knows of preemption signals.
type signals struct {
	underway *atomic.Uint32 // m.signalPending
	come     *atomic.Uint32 // m.preemptGen
}

func signalsOf(g uintptr, l gort.Layout) signals {
	m := *(*unsafe.Pointer)(*(*unsafe.Pointer)(unsafe.Pointer(&[]uintptr{g + uintptr(l.GM)}[0])))
	return signals{(*atomic.Uint32)(unsafe.Add(m, l.MSignalPending)), (*atomic.Uint32)(unsafe.Add(m, l.MPreemptGen))}
}

// A signal for an M that another one of the thread has taken is not waited for,
// neither for another one to be sent, nor for its count (suspendG, preempt.go).
func TestASignalThatAnotherMHasTaken(t *testing.T) {
	l := layoutInUse(t)
	for _, traced := range []bool{false, true} {
		err := greenlet.Run(func(root *greenlet.Greenlet) error {
			if traced { // another way to switch
				require.NoError(t, trace.Start(io.Discard))
				defer trace.Stop()
			}
			g := greenlet.New(func(any) (any, error) {
				mine := signalsOf(gort.Getg(), l)
				before := mine.come.Load()
				mine.underway.Store(1) // none is
				_, err := root.Switch(nil)
				mine.settle(t)
				assert.Greater(t, mine.come.Load(), before)
				return nil, err
			})
			_, err := g.Switch(nil)
			require.NoError(t, err)
			_, err = g.Switch(nil)
			return err
		})
		require.NoError(t, err)
	}
}

// The same for a signal that came while an M was given back to the runtime.
func TestASignalFromALifeBefore(t *testing.T) {
	l := layoutInUse(t)
	again := false
	for i := range 20 { // the thread may take its time to end; the first one of the process does not end
		dropped := make(chan signals)
		go func() {
			runtime.LockOSThread() // so the thread ends with the goroutine, and its idle workers with it
			assert.NoError(t, greenlet.Run(func(root *greenlet.Greenlet) error {
				v, err := greenlet.New(func(any) (any, error) { return signalsOf(gort.Getg(), l), nil }).Switch(nil)
				dropped <- v.(signals)
				return err
			}))
		}()
		old := <-dropped
		time.Sleep(time.Duration(i) * 10 * time.Millisecond)
		old.underway.Store(1)
		require.NoError(t, greenlet.Run(func(root *greenlet.Greenlet) error {
			for range 100 * (i + 1) { // each time more, so that some need an M
				_, err := greenlet.New(func(any) (any, error) {
					mine := signalsOf(gort.Getg(), l)
					if mine == old {
						again = true
						mine.settle(t)
					}
					return root.Switch(nil)
				}).Switch(nil)
				require.NoError(t, err)
			}
			return nil
		}))
		if again {
			return
		}
	}
	t.Error("the M was not used again")
}

// settle waits until no signal is under way: a real one comes soon.
func (s signals) settle(t *testing.T) {
	end := time.Now().Add(time.Second)
	for s.underway.Load() != 0 && time.Now().Before(end) {
		runtime.Gosched()
	}
	assert.Zero(t, s.underway.Load(), "the M waits for a signal that has come")
}

// layoutInUse skips the test where the layout is not known.
func layoutInUse(t *testing.T) gort.Layout {
	if strings.HasPrefix(greenlet.Runtime(), "one M") {
		t.Skip("a thread has one M")
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	l, mode, why := gort.Detect()
	for i := 0; mode == gort.Plain && i < 3; i++ {
		l, mode, why = gort.Detect()
	}
	if mode == gort.Plain {
		t.Skip(why)
	}
	return l
}
