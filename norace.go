//go:build !race

package greenlet

const raceEnabled = false

// See race.go.

func (t *tree) raceRelease()    {}
func (th *thread) raceRelease() {}
func (th *thread) raceAcquire() {}
