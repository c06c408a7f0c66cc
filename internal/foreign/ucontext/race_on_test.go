//go:build race

package ucontext_test

const raceEnabled = true
