//go:build !race

package gort

const raceEnabled = false

func (t *Thread) raceRelease() {}
func (t *Thread) raceAcquire() {}

func (l *Line) raceRelease() {}
func (l *Line) raceAcquire() {}
