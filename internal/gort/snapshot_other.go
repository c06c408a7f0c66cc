//go:build !(linux && (amd64 || arm64 || riscv64)) && !(windows && amd64 && !cgo)

package gort

import "errors"

// Snapshot, see snapshot.go.
type Snapshot struct {
	State          SnapshotState
	N, Stack, Used int
}

type SnapshotState int

const (
	SnapshotNothing SnapshotState = iota
	SnapshotRunning
	SnapshotInC
	SnapshotReady
	SnapshotWaiting
	SnapshotBusy
)

func CanSnapshot() error                          { return errors.New("there is no assembly for this CPU") }
func (c *Coro) Snapshot([]uintptr, bool) Snapshot { return Snapshot{} }
