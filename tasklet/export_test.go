package tasklet

// Listed is how long the list of those that have been paused is.
func Listed() int { return len(currentScheduler().paused.listed) }

// Timers is how many timers there are on the virtual clock.
func Timers() int { return len(currentScheduler().clock.timers) }
