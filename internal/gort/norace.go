//go:build !race

package gort

const raceEnabled = false

func (t *Thread) raceRelease() {}
func (t *Thread) raceAcquire() {}
