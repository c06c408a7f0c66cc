package greenlet

import "errors"

var (
	errNilFunction = errors.New("the function is nil")
	errNoTree      = errors.New("neither it nor one that it descends from has started, so it is in no tree")
)

// Post has f called in the tree that g is in, by the goroutine that runs there. Any goroutine may
// call Post, which does not wait. It is how other goroutines reach a scheduler of one's own.
//
// f runs in the running greenlet, at the beginning of the tree's next Switch, Throw, Kill, Resume,
// Stop, next or stop, as if the greenlet had called it just before. (An operation that has nothing
// to do, such as the Kill of a dead greenlet, does not count.) It may pass control to others; a
// panic comes out of that operation. Functions are called in the order in which they were posted.
// If the tree makes no operation, they are not called: a greenlet that waits for something of
// Go's, such as a channel, has to be woken by that. Those that are left when the tree ends are
// dropped. If the tree's goroutine ends while f has passed control to others, the operation in
// which f was called returns ErrExit, since the greenlet is killed.
//
// If the tree has tasklets (package tasklet), f becomes a tasklet in place of that, at the end of
// the run ring, and a goroutine that sleeps because all tasklets wait is woken. So do functions
// that were posted before the tree had tasklets, and were not called yet.
//
// The error is ErrThreadExited if the tree has ended. Another error says that f is nil, or that g
// belongs to no tree yet; a root always does.
func (g *Greenlet) Post(f func()) error {
	if !g.valid() {
		return fail("Post", g, errNil, "")
	}
	if f == nil {
		return fail("Post", g, errNilFunction, "")
	}
	t := g.owner()
	if t == nil {
		if g.c.tree.Load() != nil { // it has ended with its last operation, see endReleased
			return fail("Post", g, ErrThreadExited, "")
		}
		return fail("Post", g, errNoTree, "start it, or post to its root")
	}
	if t.endState() != endNot || t.rootGone() {
		return fail("Post", g, ErrThreadExited, "")
	}
	t.mu.Lock()
	ended, kept := t.end.Load() != endNot, t.layer
	if !ended && kept == nil {
		t.posts = append(t.posts, f)
		epoch.Add(1)
	}
	t.mu.Unlock()
	switch {
	case ended: // since the look before
		return fail("Post", g, ErrThreadExited, "")
	case kept != nil:
		kept.Post(f)
	}
	return nil
}

// callPosts calls the functions that were posted to this tree, in c, the running greenlet. If one of
// them does not return, an operation inside it or the next one calls those that are left, since
// catchUp has not set t.epoch yet. If c is in another tree after one of them, endOrphan has moved
// it there, and those that are left are dropped.
func (t *tree) callPosts(c *core) {
	for c.tree.Load() == t {
		t.mu.Lock()
		if len(t.posts) == 0 {
			t.posts = nil
			t.mu.Unlock()
			return
		}
		f := t.posts[0]
		t.posts[0] = nil // not retained
		t.posts = t.posts[1:]
		t.mu.Unlock()
		f()
	}
}
