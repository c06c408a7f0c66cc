package tasklet

import (
	"context"
	"errors"
	"runtime"
	"runtime/debug"
	"sync"

	"github.com/go-greenlet/greenlet"
)

// A scheduler has the tasklets of one root.
type scheduler struct {
	main  *Tasklet
	head  *Tasklet // of the run ring, which is circular: the current tasklet
	n     int      // in the ring
	inner *run     // the innermost call of Run that has not returned
	trap  int      // see SwitchTrap

	blocked *Tasklet // the list of those that wait, by next and prev, the last one first
	outside
}

// A run is one call of Run or RunSteps.
type run struct {
	by    *Tasklet
	left  int // switches that it has not made of its number
	outer *run
}

// home is the context of a tasklet's greenlet: it says whose it is.
type home struct {
	context.Context
	s *scheduler
	t *Tasklet
}

// schedulers has those of roots whose context was replaced, by the root's ID.
var schedulers sync.Map

// here returns the scheduler of the calling goroutine, and makes it if there is
// none. It panics with the error if the operating system refuses what a root takes.
func here() *scheduler {
	g := greenlet.Current()
	if h, ok := g.Context().(*home); ok {
		if h.t.g != g {
			h.t.g = g
		}
		return h.s
	}
	s := search(g)
	s.head.g = g
	return s
}

// search is here for a greenlet that a tasklet has made, or that has got another
// context, and for a root.
func search(g *greenlet.Greenlet) *scheduler {
	for p := g.Parent(); p != nil; p = g.Parent() {
		g = p
		if h, ok := g.Context().(*home); ok {
			return h.s
		}
	}
	if s, ok := schedulers.Load(g.ID()); ok {
		return s.(*scheduler)
	}
	s := &scheduler{}
	s.main = &Tasklet{s: s, g: g, name: "main", started: true}
	s.main.next, s.main.prev = s.main, s.main
	s.main.inRing = true
	s.head, s.n = s.main, 1
	s.news = make(chan struct{}, 1)
	if err := g.SetContext(&home{g.Context(), s, s.main}); err != nil {
		panic(err)
	}
	schedulers.Store(g.ID(), s)
	runtime.AddCleanup(g, func(id uint64) { schedulers.Delete(id) }, g.ID())
	return s
}

// insert puts t into the ring, before the place where `before` is.
func (s *scheduler) insert(t, before *Tasklet) {
	t.inRing = true
	s.n++
	if before == nil {
		t.next, t.prev = t, t
		s.head = t
		return
	}
	t.next, t.prev = before, before.prev
	t.prev.next, t.next.prev = t, t
}

// add puts t at the end of the ring.
func (s *scheduler) add(t *Tasklet) { s.insert(t, s.head) }

// remove takes t out of the ring. If it is the head, the next one is that now.
func (s *scheduler) remove(t *Tasklet) {
	t.inRing = false
	s.n--
	if s.head == t {
		s.head = t.next
	}
	if s.n == 0 {
		s.head = nil
	}
	t.prev.next, t.next.prev = t.next, t.prev
	t.next, t.prev = nil, nil
}

// park takes me, which is the head, out of the ring: it waits in q now.
func (s *scheduler) park(me *Tasklet, q queued) {
	s.remove(me)
	me.queued = q
	me.next = s.blocked
	if s.blocked != nil {
		s.blocked.prev = me
	}
	s.blocked = me
}

// unpark is for whoever takes t out of what it waits in.
func (s *scheduler) unpark(t *Tasklet) {
	if t.prev == nil {
		s.blocked = t.next
	} else {
		t.prev.next = t.next
	}
	if t.next != nil {
		t.next.prev = t.prev
	}
	t.next, t.prev, t.queued = nil, nil, nil
}

// wake makes the caller of the innermost Run the head of the ring.
func (s *scheduler) wake() *Tasklet {
	r := s.inner
	s.inner = r.outer
	r.by.running = false
	s.insert(r.by, s.head)
	s.head = r.by
	return r.by
}

// turn decides who goes on, given that the head of the ring is to: a Run that has
// made its number of switches may come first.
func (s *scheduler) turn() *Tasklet {
	if r := s.inner; r != nil {
		if r.left == 0 {
			return s.wake()
		}
		r.left--
	}
	return s.head
}

// idle says who goes on when the ring is empty: the innermost Run, or main, if it
// is paused. nil: nobody can.
func (s *scheduler) idle() *Tasklet {
	if s.inner != nil {
		return s.wake()
	}
	if s.main.Paused() {
		s.add(s.main)
		return s.main
	}
	return nil
}

// anybody says whether idle would find somebody, or something from outside is
// awaited.
func (s *scheduler) anybody() bool {
	return s.inner != nil || s.main.Paused() || s.awaited > 0
}

// leave passes control from me, which is not the head any more, to whoever is
// next, and returns when me is the head again, with what was thrown at it.
func (s *scheduler) leave(me *Tasklet) error {
	var err error
	if to := s.next(); to != me {
		_, err = to.g.Switch(nil)
	}
	if s.head == me && err == nil && me.mail == nil {
		return nil
	}
	return me.arrive(err)
}

// next is the one that goes on. It waits for something from outside if there is
// nobody else.
func (s *scheduler) next() *Tasklet {
	s.collect()
	for s.head == nil {
		if s.awaited == 0 {
			return s.idle()
		}
		<-s.news
		s.collect()
	}
	return s.turn()
}

// arrive is what a tasklet does when it goes on, and that was not plain. err is what
// its switch returned: nil, unless it was not this package that switched to it, or
// nothing was.
func (t *Tasklet) arrive(err error) error {
	s := t.s
	if s.head != t {
		// The scope of the root ends, or there is no memory for somebody's stack.
		if t.queued != nil {
			t.queued.unlink()
		}
		if t.running {
			for p := &s.inner; *p != nil; p = &(*p).outer {
				if (*p).by == t {
					*p = (*p).outer
					break
				}
			}
			t.running = false
		}
		if t.inRing {
			s.remove(t)
		}
		s.insert(t, s.head)
		s.head = t
	}
	if err != nil {
		t.alien = true
		return err
	}
	m := t.mail
	if m == nil {
		return nil
	}
	t.mail = nil
	if p, ok := m.(*greenlet.PanicError); ok && t.raise {
		t.raise = false
		panic(p)
	}
	return m
}

// must is for operations that have no error result.
func must(err error) {
	if err != nil {
		panic(thrown{err})
	}
}

// thrown carries an error through code that has no way to return it. At the end of
// a tasklet it counts as the tasklet's error.
type thrown struct{ error }

func (t thrown) Unwrap() error { return t.error }

// body is what the greenlet of t runs.
func (t *Tasklet) body(any) (any, error) {
	returned := false
	defer func() {
		if !returned { // runtime.Goexit: goes on in whoever Run is for
			if to := t.end(nil, true); to != nil {
				_ = t.g.SetParent(to.g)
			}
		}
	}()
	failure := t.mail // thrown before it could begin
	t.mail = nil
	if failure == nil {
		failure = call(t.f)
	}
	returned = true
	if t.alien {
		t.end(nil, false)
		return nil, failure
	}
	to := t.end(failure, false)
	if to == nil {
		return nil, failure
	}
	return nil, t.g.SetParent(to.g)
}

// call calls f and returns what it ended with: nil, an error, or a panic.
func call(f func()) (err error) {
	defer func() {
		switch r := recover().(type) {
		case nil:
		case thrown:
			err = r.error
		case *greenlet.PanicError:
			err = r
		default:
			err = &greenlet.PanicError{Value: r, Stack: debug.Stack()}
		}
	}()
	f()
	return nil
}

// end takes t, which has ended, out of everything, and says who goes on.
func (t *Tasklet) end(err error, exit bool) *Tasklet {
	s := t.s
	t.dead, t.f = true, nil
	if t.inRing {
		s.remove(t)
	}
	if errors.Is(err, ErrExit) {
		err = nil
	}
	if err == nil && !exit {
		if t.alien {
			return nil
		}
		if to := s.next(); to != nil {
			return to
		}
		err = s.deadlock(nil)
	}
	return s.deliver(err)
}

// deliver makes the one that is to know of a tasklet's failure the head: the caller
// of the innermost Run, or main.
func (s *scheduler) deliver(err error) *Tasklet {
	to := s.main
	if s.inner != nil {
		to = s.wake()
	} else {
		if to.queued != nil {
			to.queued.unlink()
		}
		if to.inRing {
			s.head = to
		} else {
			s.insert(to, s.head)
			s.head = to
		}
	}
	_, to.raise = err.(*greenlet.PanicError)
	to.mail = err
	return to
}

// steps is RunSteps, and Run with a number that is never reached.
func (s *scheduler) steps(n int) (made int, err error) {
	me := s.head
	s.collect()
	if n <= 0 || s.n == 1 && s.awaited == 0 {
		return 0, nil
	}
	if s.trap > 0 {
		return 0, &opError{"Run", me, ErrSwitchTrap}
	}
	r := &run{by: me, left: n, outer: s.inner}
	s.inner = r
	s.remove(me)
	me.running = true
	err = s.leave(me)
	return n - r.left, err
}
