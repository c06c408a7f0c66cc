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

// keyedByGoroutine says that. It is set before the first root is made.
var keyedByGoroutine bool

// The thread-local words, and what else is kept in their place.
const (
	slotTree   = 0 // *tree: whose greenlets run on this thread now
	slotThread = 1 // *thread: what it keeps from one tree to the next
)

// An ownerEntry is an entry of the table.
type ownerEntry struct {
	key  uint64
	tree *tree
	next atomic.Pointer[ownerEntry]
}

var ownerTable struct {
	mu      sync.Mutex // whoever changes it
	entries atomic.Int64
	chains  [1 << 10]atomic.Pointer[ownerEntry]
}

func ownerChain(key uint64) *atomic.Pointer[ownerEntry] {
	return &ownerTable.chains[key*0x9e3779b97f4a7c15>>54]
}

// ownerKey is the calling goroutine's key; 0: it has none.
func ownerKey() uint64 {
	if keyedByGoroutine {
		return gort.GoroutineID()
	}
	return uint64(gort.LockedTo())
}

// lookupOwner is local for these engines. A thread keeps nothing from one tree to the next.
func lookupOwner(word uintptr) unsafe.Pointer {
	if word != slotTree || ownerTable.entries.Load() == 0 {
		return nil
	}
	key := ownerKey()
	if key == 0 {
		return nil
	}
	for o := ownerChain(key).Load(); o != nil; o = o.next.Load() {
		if o.key == key && o.tree.endState() == endNot {
			return unsafe.Pointer(o.tree)
		}
	}
	return nil
}

// setOwner is setLocal.
func setOwner(word uintptr, v unsafe.Pointer) {
	if word == slotTree {
		recordOwner(ownerKey(), (*tree)(v))
	}
}

// recordOwner makes t the tree of that key; nil: it has none any more.
func recordOwner(key uint64, t *tree) {
	ownerTable.mu.Lock()
	defer ownerTable.mu.Unlock()
	removeOwners(func(o *ownerEntry) bool { return o.key == key }, ownerChain(key))
	if t != nil {
		o := &ownerEntry{key: key, tree: t}
		o.next.Store(ownerChain(key).Load())
		ownerChain(key).Store(o)
		ownerTable.entries.Add(1)
	}
}

// removeOwners takes entries out of a chain. Those who are reading it go on where they are.
func removeOwners(which func(o *ownerEntry) bool, chain *atomic.Pointer[ownerEntry]) {
	for p := chain; p.Load() != nil; {
		if o := p.Load(); which(o) {
			p.Store(o.next.Load())
			ownerTable.entries.Add(-1)
		} else {
			p = &o.next
		}
	}
}

// endState is t.end, after a look at whether the root's goroutine has ended without Run:
// nobody tells these engines.
func (t *tree) endState() int32 {
	if end := t.end.Load(); !onLines.Load() || t.free.Load() || end != endNot || !t.goroutine.Ended() {
		return end
	}
	ownerTable.mu.Lock()
	defer ownerTable.mu.Unlock()
	if t.end.Load() == endNot { // and nothing of it will ever run
		t.th.raceAcquire()
		t.finish(endThread)
		for i := range ownerTable.chains {
			removeOwners(func(o *ownerEntry) bool { return o.tree == t }, &ownerTable.chains[i])
		}
	}
	return t.end.Load()
}

// checkEnds does that for all trees, after a collection: what is suspended in them would be
// kept by the table.
func checkEnds() {
	if !onLines.Load() || ownerTable.entries.Load() == 0 {
		return
	}
	for i := range ownerTable.chains {
		for o := ownerTable.chains[i].Load(); o != nil; o = o.next.Load() {
			o.tree.endState()
		}
	}
}
