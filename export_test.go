package greenlet

import "sync/atomic"

// SomeUnreachable says whether the collector has found forgotten greenlets of the
// calling goroutine's tree which the tree's next call will kill, for tests. It looks at them as
// that call does. They are queued before epoch tells the trees of it, so that there are some is not
// enough: a call in between would not look.
func SomeUnreachable() bool {
	t := currentTree()
	if t == nil {
		return false
	}
	t.watchSome()
	return t.unreachable.Load() != nil && t.epoch != epoch.Load()
}

// Plain says whether the short switch goes to g, which is suspended.
func Plain(g *Greenlet) bool { return g.c.coro.Plain() }

// FreeTree says whether the calling goroutine runs in a tree that is not bound to a thread, for tests.
func FreeTree() bool {
	t := currentTree()
	return t != nil && t.free.Load()
}

// InCalls says whether the M takes the running greenlet for one in which C waits.
func InCalls() bool {
	t := currentTree()
	return t.carrier.InCalls(t.current.c.coro)
}

// EndedThread says whether a thread has ended of which only the C core knows.
func EndedThread() bool { return threadsEnded != nil && atomic.LoadUint32(threadsEnded) != 0 }

// Officials counts the switches of the calling goroutine's tree that the runtime did.
func Officials() int { return currentTree().carrier.Officials }
