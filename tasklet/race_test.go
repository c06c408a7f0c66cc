//go:build race

package tasklet_test

const raceEnabled = true
