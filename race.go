//go:build race

package greenlet

import (
	"runtime"
	"unsafe"
)

const raceEnabled = true

// What ends a thread, or takes over what it has left, happens after all that its goroutines did
// there. No Go operation connects the two, so the race detector is told by these two functions,
// with the thread's record as the synchronisation variable. They do nothing in other builds.

// raceRelease is called by the tree's goroutine at the end of each operation.
func (t *tree) raceRelease() { t.th.raceRelease() }

func (th *thread) raceRelease() { runtime.RaceReleaseMerge(unsafe.Pointer(th)) }

// raceAcquire is called before the record is used by another goroutine than before.
func (th *thread) raceAcquire() { runtime.RaceAcquire(unsafe.Pointer(th)) }
