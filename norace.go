//go:build !race

package greenlet

func (t *tree) raceRelease()    {}
func (th *thread) raceAcquire() {}
