package tasklet

// Listed is how long the list of those that have been paused is.
func Listed() int { return len(here().paused.listed) }
