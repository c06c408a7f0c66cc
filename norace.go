//go:build !race

package greenlet

const raceEnabled = false

func (t *tree) raceRelease()    {}
func (th *thread) raceAcquire() {}
