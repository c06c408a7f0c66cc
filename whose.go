package greenlet

import (
	"sync"
	"sync/atomic"
	"unsafe"

	"github.com/go-greenlet/greenlet/internal/gort"
)

// Which tree a goroutine belongs to, where there are no thread-local words: a
// table, by the M that the goroutine is locked to. All that runs on that M is the tree's, the
// bodies of its iter.Pulls among it.
//
// Where there are no threads, or the M could not be found out, the table is by goroutines:
// the root's and those of its greenlets, and no others.

// byGoroutine says that. It is set before the first root is made.
var byGoroutine bool

// The thread-local words, and what else is kept in their place.
const (
	wordTree   = 0 // *tree: whose greenlets run on this thread now
	wordThread = 1 // *thread: what it keeps from one tree to the next
)

// An owned is an entry of the table.
type owned struct {
	key  uint64
	tree *tree
	next atomic.Pointer[owned]
}

var owners struct {
	mu      sync.Mutex // whoever changes it
	entries atomic.Int64
	chains  [1 << 10]atomic.Pointer[owned]
}

func chainOf(key uint64) *atomic.Pointer[owned] {
	return &owners.chains[key*0x9e3779b97f4a7c15>>54]
}

// whose is the calling goroutine's key; 0: it has none.
func whose() uint64 {
	if byGoroutine {
		return gort.GoroutineID()
	}
	return uint64(gort.LockedTo())
}

// placed is local for these engines. A thread keeps nothing from one tree to the next.
func placed(word uintptr) unsafe.Pointer {
	if word != wordTree || owners.entries.Load() == 0 {
		return nil
	}
	key := whose()
	if key == 0 {
		return nil
	}
	for o := chainOf(key).Load(); o != nil; o = o.next.Load() {
		if o.key == key && o.tree.ending() == endNot {
			return unsafe.Pointer(o.tree)
		}
	}
	return nil
}

// setPlaced is setLocal.
func setPlaced(word uintptr, v unsafe.Pointer) {
	if word == wordTree {
		own(whose(), (*tree)(v))
	}
}

// own makes t the tree of that key; nil: it has none any more.
func own(key uint64, t *tree) {
	owners.mu.Lock()
	defer owners.mu.Unlock()
	disown(func(o *owned) bool { return o.key == key }, chainOf(key))
	if t != nil {
		o := &owned{key: key, tree: t}
		o.next.Store(chainOf(key).Load())
		chainOf(key).Store(o)
		owners.entries.Add(1)
	}
}

// disown takes entries out of a chain. Those who are reading it go on where they are.
func disown(which func(o *owned) bool, chain *atomic.Pointer[owned]) {
	for p := chain; p.Load() != nil; {
		if o := p.Load(); which(o) {
			p.Store(o.next.Load())
			owners.entries.Add(-1)
		} else {
			p = &o.next
		}
	}
}

// ending is t.end, after a look at whether the root's goroutine has ended without Run:
// nobody tells these engines.
func (t *tree) ending() int32 {
	if end := t.end.Load(); !lined.Load() || t.free.Load() || end != endNot || !t.goroutine.Ended() {
		return end
	}
	owners.mu.Lock()
	defer owners.mu.Unlock()
	if t.end.Load() == endNot { // and nothing of it will ever run
		t.th.raceAcquire()
		t.finish(endThread)
		for i := range owners.chains {
			disown(func(o *owned) bool { return o.tree == t }, &owners.chains[i])
		}
	}
	return t.end.Load()
}

// endings does that for all trees, after a collection: what is suspended in them would be
// kept by the table.
func endings() {
	if !lined.Load() || owners.entries.Load() == 0 {
		return
	}
	for i := range owners.chains {
		for o := owners.chains[i].Load(); o != nil; o = o.next.Load() {
			o.tree.ending()
		}
	}
}
