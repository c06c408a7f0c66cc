//go:build !(cgo && linux && (amd64 || arm64))

package gort

import "errors"

// Peek, see peek.go.
type Peek struct {
	State          PeekState
	N, Stack, Used int
}

type PeekState int

const (
	PeekNothing PeekState = iota
	PeekRunning
	PeekInC
	PeekReady
	PeekWaiting
	PeekBusy
)

func CanPeek() error                      { return errors.New("there is no assembly for this CPU") }
func (c *Coro) Peek([]uintptr, bool) Peek { return Peek{} }
