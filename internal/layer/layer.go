// Package layer is where a package on top of package greenlet keeps something of its
// own with a root, for as long as the root lives. It is a place for one.
package layer

import "unsafe"

// A Layer is what is kept.
type Layer interface {
	// End is called on the root's thread when the root has ended, and nothing of its
	// tree will run any more.
	End()
}

// Here returns the place of the calling goroutine's root, and the running greenlet, a
// *greenlet.Greenlet, to be compared. Both are nil if the goroutine has no root. Only
// the root's own thread may use the place. Package greenlet sets this.
var Here func() (place *Layer, current unsafe.Pointer)
