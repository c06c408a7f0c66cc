package greenlet

import (
	"runtime"
	"sync/atomic"
	"time"
)

// Detail is a set of what Info can tell of only if it is recorded all along, which costs
// time; see SetDetail.
type Detail uint32

const (
	DetailTimes    Detail = 1 << iota // Info.Since: every switch reads the clock, and takes the long way
	DetailCreation                    // Info.Created and CreatedAt: every New reads the clock and looks at its callers
)

var details atomic.Uint32

// SetDetail sets what is recorded of all greenlets of the process from now on, and returns
// what was before; nothing is at first. Any goroutine may call it. A tree that runs takes
// note at its next switch.
func SetDetail(d Detail) (previous Detail) {
	previous = Detail(details.Swap(uint32(d)))
	epoch.Add(1)
	return previous
}

// A birth is what is recorded of a creation.
type birth struct {
	at  time.Time
	pcs [12]uintptr // of New and its callers
}

// recordBirth records c's creation; make has called it.
func (c *core) recordBirth() {
	if Detail(details.Load())&DetailCreation != 0 {
		born := &birth{at: time.Now()}
		runtime.Callers(3, born.pcs[:])
		c.makeRare().birth = born
	}
}
