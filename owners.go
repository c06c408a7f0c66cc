package greenlet

import (
	"sync"
	"sync/atomic"
	"unsafe"

	"github.com/go-greenlet/greenlet/internal/gort"
)

// This file finds the tree that owns the calling goroutine where there are no thread-local words
// (see onLines). The trees are in a table, by the M to which their goroutines are locked.
// Every goroutine that runs on that M belongs to the tree, the bodies of its iter.Pulls
// included.
//
// Where there are no threads, or where the M could not be measured, the table is by goroutine: it
// has the root's goroutine and those of its greenlets, and no others.

// keyedByGoroutine says that the table is by goroutine. tryLines writes it, before the
// first root is made.
var keyedByGoroutine bool

// The two thread-local words, by the number that loadSlot and storeSlot take.
const (
	slotTree   = 0 // *tree: the tree whose greenlets run on this thread; nil: none
	slotThread = 1 // *thread: what the thread keeps from one tree to the next; nil: nothing yet
)

// An ownerEntry is an entry of the table. Readers follow next without a lock, so an entry that
// was taken out keeps it.
type ownerEntry struct {
	key  uint64 // see ownerKey
	tree *tree
	next atomic.Pointer[ownerEntry] // written under ownerTable.mu
}

// ownerTable is the table: chains of entries, by a hash of the key. It is read without a lock.
var ownerTable struct {
	mu      sync.Mutex                          // held while entries are put in or taken out
	entries atomic.Int64                        // how many there are; written under mu
	chains  [1 << 10]atomic.Pointer[ownerEntry] // written under mu
}

// ownerChain is the chain of a key. The factor is 2 to the 64th over the golden ratio, which
// spreads addresses over the highest ten bits.
func ownerChain(key uint64) *atomic.Pointer[ownerEntry] {
	return &ownerTable.chains[key*0x9e3779b97f4a7c15>>54]
}

// ownerKey is the calling goroutine's key: its number, or the M that it is locked to. 0: it is
// locked to none.
func ownerKey() uint64 {
	if keyedByGoroutine {
		return gort.GoroutineID()
	}
	return uint64(gort.LockedTo())
}

// lookupOwner is loadSlot where there are no thread-local words. It returns nil for slotThread: a
// thread keeps nothing from one tree to the next there.
func lookupOwner(slot uintptr) unsafe.Pointer {
	if slot != slotTree || ownerTable.entries.Load() == 0 {
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

// setOwner is storeSlot where there are no thread-local words.
func setOwner(slot uintptr, v unsafe.Pointer) {
	if slot == slotTree {
		recordOwner(ownerKey(), (*tree)(v))
	}
}

// recordOwner makes t the tree of that key. With nil the key's entry is taken out.
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

// removeOwners takes the entries that match out of a chain. Its caller has locked ownerTable.mu.
// A goroutine that is reading an entry meanwhile still finds the rest of the chain by its next.
func removeOwners(match func(o *ownerEntry) bool, chain *atomic.Pointer[ownerEntry]) {
	for p := chain; p.Load() != nil; {
		if o := p.Load(); match(o) {
			p.Store(o.next.Load())
			ownerTable.entries.Add(-1)
		} else {
			p = &o.next
		}
	}
}

// endState is t.end. Where the end of a thread is not notified (see onLines), it first looks
// whether the root's goroutine has ended, and if so ends the tree. Any goroutine may call it that
// holds no lock of this package's.
func (t *tree) endState() int32 {
	endThreads()
	if end := t.end.Load(); !onLines.Load() || t.free.Load() || end != endNot || !t.goroutine.Ended() {
		return end
	}
	ownerTable.mu.Lock()
	defer ownerTable.mu.Unlock()
	if t.end.Load() == endNot { // no other goroutine has ended it meanwhile, and nothing of it will run again
		t.th.raceAcquire()
		t.finish(endThread)
		for i := range ownerTable.chains {
			removeOwners(func(o *ownerEntry) bool { return o.tree == t }, &ownerTable.chains[i])
		}
	}
	return t.end.Load()
}

// checkEnds calls endState for all trees. It is called after a collection, because the table
// keeps alive all that is suspended in a tree.
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
