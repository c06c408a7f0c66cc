// Package layer is the interface of package greenlet for packages on top of it, which is not for
// users: package tasklet keeps its scheduler with a root, for as long as the root lives, and
// decides which greenlet gets control at an end; package inspect looks at all trees. There is room
// for one Layer per root. Package greenlet sets the functions in its init, before any other
// package uses them. Each unsafe.Pointer is a *greenlet.Greenlet.
package layer

import (
	"runtime"
	"unsafe"
)

// A Layer is the value that is kept with a root.
type Layer interface {
	// End is called on the root's thread when the root has ended, after which none of its
	// greenlets runs.
	End()

	// Look requests a snapshot of the tasklets, without waiting for it. The root's thread completes
	// the Answer at its next operation of the layer; requests until then share one Answer.
	// Any goroutine may call Look and Ready.
	Look() *Answer

	// Post calls f in the root's tree, in a greenlet of its own. Any goroutine may call it. After
	// End it does nothing.
	Post(f func())

	// Ready returns how many tasklets are ready or running. To other goroutines than the root's it
	// is an estimate.
	Ready() int
}

// An Answer is written by the root's thread, which closes Done after its last write. Readers wait
// for Done first.
type Answer struct {
	Done chan struct{}
	Tasklets
}

// Tasklets is the state of the tasklets of one root.
type Tasklets struct {
	Ring    []uint64 // IDs of greenlets, the head first
	Waits   []Wait   // the tasklet that has waited longest first
	Awaited int      // number of tasklets that wait for another goroutine, the time or the network
}

// A Wait is a blocked tasklet.
type Wait struct {
	ID      uint64
	On      string // the name of what it waits for
	Channel bool   // On is a channel's name
	Send    bool   // it waits to send; false: to receive, or it does not wait on a channel
}

// A Tree is the state of one tree at the time of the call.
type Tree struct {
	Root    uint64         // the root's ID
	Running unsafe.Pointer // the running greenlet
	IsRoot  bool           // Running is the root
	// Switches is the number of switches to Running. If both are the same in two calls, the
	// tree has made no switch in between.
	Switches uint64
	Living   int   // number of started greenlets that have not ended, without the root
	Kept     Layer // nil: the root has none
}

// Doing is the state of the goroutine of a running greenlet.
type Doing int

const (
	Unknown Doing = iota // this engine cannot tell, or the collector or another look has the goroutine's scan bit
	InGo                 // it runs Go code, or waits for a P
	InC                  // it is in a call of C, or in a system call
	Blocked              // it waits in Go's scheduler: for a channel, a timer, a lock
)

var (
	// Here returns the Layer of the calling goroutine's root, nil if it has none, and the running
	// greenlet, for comparisons only; nil if the goroutine has no root.
	Here func() (kept Layer, current unsafe.Pointer)

	// Keep sets the Layer of the calling goroutine's root. The goroutine must have a root.
	Keep func(l Layer)

	// Refused says whether err, an error of a Switch, means that the switch was not made. An error
	// that was thrown at the caller is not such a one, because then the switch was made.
	Refused func(err error) bool

	// Root returns the calling goroutine's root. The goroutine must have one. To follow
	// Greenlet.Parent to it is not possible, since parents can form a cycle: while a greenlet
	// waits for another one, in a next or a Resume, it counts as that one's parent.
	Root func() unsafe.Pointer

	// Heir makes `to`, a greenlet of the same root, the one that gets control in place
	// of the parent when the running greenlet ends. Its body calls this and returns.
	Heir func(to unsafe.Pointer)

	// Trees returns the state of all trees of the process. Any goroutine may call it, and the
	// functions that follow.
	Trees func() []Tree

	// DoingOf returns the state of a running greenlet, and if stack is not nil, its stack. With a
	// stack it may stop the world.
	DoingOf func(g unsafe.Pointer, stack *[]runtime.Frame) Doing

	// Observe makes every tree look, at its next switch, whether a recording is active
	// (package timeline).
	Observe func()

	// Nanotime is the clock of recordings: nanoseconds, monotonic.
	Nanotime func() int64

	// Mark adds a mark to the time line of the calling goroutine's greenlet. It does nothing if
	// there is no such greenlet, or no recording.
	Mark func(text string)
)

// A Thrown is the value with which package greenlet panics to unwind code that cannot return an
// error. At the end of a body, and at the end of a function that a package on top runs in a body,
// it counts as a returned error.
type Thrown struct{ Err error }

func (t Thrown) Error() string { return t.Err.Error() }
func (t Thrown) Unwrap() error { return t.Err }
