package gort

// Ticks is the processor's time-stamp counter, which takes a fraction of what the clock takes.
// How fast it goes, and since when, is to be found out by the clock.
func Ticks() int64
