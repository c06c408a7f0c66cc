//go:build race && cgo && linux

package ucontext_test

const raceEnabled = true
