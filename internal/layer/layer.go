// Package layer is what a package on top of package greenlet may do and others may not:
// keep something of its own with a root, for as long as the root lives, in a place for
// one, and say who goes on. Package greenlet sets the functions. Their pointers are
// *greenlet.Greenlet.
package layer

import (
	"runtime"
	"unsafe"
)

// A Layer is what is kept.
type Layer interface {
	// End is called on the root's thread when the root has ended, and nothing of its
	// tree will run any more.
	End()

	// Look asks what there is to be seen. The root's thread answers when it next does something
	// with the layer: all who have asked by then at once. Any goroutine may call it, and Ready.
	Look() *Answer

	// Ready is how many could run, the running one included, as far as that can be known.
	Ready() int
}

// An Answer is there, and does not change any more, when Done is closed.
type Answer struct {
	Done chan struct{}
	Tasklets
}

// Tasklets is what package tasklet tells of a root's.
type Tasklets struct {
	Ring    []uint64 // numbers of greenlets, the head first
	Waits   []Wait   // the longest waiting first
	Awaited int      // how many wait for something from outside
}

// A Wait is a blocked tasklet.
type Wait struct {
	ID      uint64
	On      string
	Channel bool // On is a channel's name
	Send    bool
}

// A Tree is what a watcher is told of one, as it is just now.
type Tree struct {
	Root    uint64
	Running unsafe.Pointer // the greenlet that runs
	IsRoot  bool
	// Switches is how often that one was switched to: with the same one and the same number,
	// nobody has switched since.
	Switches uint64
	Living   int // started greenlets, without the root
	Kept     Layer
}

// Doing is what the goroutine of a running greenlet does.
type Doing int

const (
	Unknown Doing = iota
	InGo
	InC
	Blocked // it waits in Go's scheduler
)

var (
	// Here returns what is kept with the calling goroutine's root, if anything is, and the
	// running greenlet, to be compared: nil if the goroutine has no root.
	Here func() (kept Layer, current unsafe.Pointer)

	// Keep sets what is kept with the calling goroutine's root, which it has.
	Keep func(l Layer)

	// Refused says whether err, which a Switch has returned, is why it was refused: what
	// was thrown at the caller is not.
	Refused func(err error) bool

	// Root returns the calling goroutine's root, which it has. The way there by Parent
	// can go in circles: Parent is who waits for a greenlet, if somebody does.
	Root func() unsafe.Pointer

	// Heir makes `to`, a greenlet of the same root, the one that gets control in place
	// of the parent when the running greenlet ends. Its body calls this and returns.
	Heir func(to unsafe.Pointer)

	// Trees returns all of the process. Any goroutine may call this and those that follow.
	Trees func() []Tree

	// DoingOf says what a running greenlet does, and if stack is not nil, where.
	DoingOf func(g unsafe.Pointer, stack *[]runtime.Frame) Doing

	// Observe has every tree look whether its switches are wanted (package timeline).
	Observe func()

	// Nanotime is the clock that they are noted by.
	Nanotime func() int64

	// Mark notes something in the time line of the calling goroutine's greenlet, if it has one.
	Mark func(text string)
)

// A Thrown is what package greenlet panics with to carry an error through code that has
// no way to return it. At the end of a body it counts as a returned error, and at the
// end of what a package on top runs in one.
type Thrown struct{ Err error }

func (t Thrown) Error() string { return t.Err.Error() }
func (t Thrown) Unwrap() error { return t.Err }
