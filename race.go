//go:build race

package greenlet

import (
	"runtime"
	"unsafe"
)

const raceEnabled = true

// A thread's end happens after all that its goroutine did, which the race
// detector cannot know: no Go operation connects them.

func (t *tree) raceRelease() { runtime.RaceReleaseMerge(unsafe.Pointer(t.th)) }

func (th *thread) raceAcquire() { runtime.RaceAcquire(unsafe.Pointer(th)) }
