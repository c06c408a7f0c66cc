//go:build race

package gort

import (
	"runtime"
	"unsafe"
)

// runtime.coroswitch says nothing to the race detector; iter.Pull does it itself.

const raceEnabled = true

func (t *Thread) raceRelease() { runtime.RaceReleaseMerge(unsafe.Pointer(t)) }
func (t *Thread) raceAcquire() { runtime.RaceAcquire(unsafe.Pointer(t)) }

func (l *Line) raceRelease() { runtime.RaceReleaseMerge(unsafe.Pointer(l)) }
func (l *Line) raceAcquire() { runtime.RaceAcquire(unsafe.Pointer(l)) }
