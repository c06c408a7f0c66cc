package greenlet

import (
	"runtime"
	"sync/atomic"
	"time"
)

// Detail is a set of what Info reports only if it is recorded all along, which costs time; see
// SetDetail.
type Detail uint32

const (
	DetailTimes    Detail = 1 << iota // Info.Since: every switch reads the clock, and takes the long way
	DetailCreation                    // Info.Created and CreatedAt: every New reads the clock and walks its callers' frames
)

// details is the Detail that is set. SetDetail writes it; any goroutine reads it.

var details atomic.Uint32

// SetDetail sets what is recorded of all greenlets of the process from now on, and returns
// what was set before; at first nothing is. Any goroutine may call it. A tree that runs sees
// the change at its next switch.
func SetDetail(d Detail) (previous Detail) {
	previous = Detail(details.Swap(uint32(d)))
	epoch.Add(1)
	return previous
}

// A birth is the record of a creation.
type birth struct {
	at  time.Time
	pcs [12]uintptr // return addresses of New and its callers
}

// recordBirth records c's creation. initPending calls it, and the number of frames that it
// leaves out depends on that.
func (c *core) recordBirth() {
	if Detail(details.Load())&DetailCreation != 0 {
		born := &birth{at: time.Now()}
		runtime.Callers(3, born.pcs[:])
		c.makeRare().birth = born
	}
}
