//go:build amd64 && !race

package gort

// storeThread is a store that others see after all that was stored before: see StoreRelease.
func (c *Coro) storeThread(t *Thread) { c.t = t }
