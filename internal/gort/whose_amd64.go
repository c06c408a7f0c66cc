//go:build amd64 && !race

package gort

// setWhose is a store that others see after all that was stored before: see StoreRelease.
func (c *Coro) setWhose(t *Thread) { c.t = t }
