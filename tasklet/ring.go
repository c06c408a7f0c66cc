package tasklet

// insert puts t into the ring before the tasklet `before`, or makes t the whole ring if that
// is nil.
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

// add appends t to the ring.
func (s *scheduler) add(t *Tasklet) { s.insert(t, s.head) }

// remove takes t out of the ring. If t is the head, its successor becomes the head.
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

// park takes me, which is the head, out of the ring, and lists it as blocked in q.
func (s *scheduler) park(me *Tasklet, q blocker) {
	s.remove(me)
	me.blockedIn = q
	me.next = s.blocked
	if s.blocked != nil {
		s.blocked.prev = me
	}
	s.blocked = me
}

// unpark undoes the listing of park. The caller has taken t out of what it was blocked in.
func (s *scheduler) unpark(t *Tasklet) {
	if t.prev == nil {
		s.blocked = t.next
	} else {
		t.prev.next = t.next
	}
	if t.next != nil {
		t.next.prev = t.prev
	}
	t.next, t.prev, t.blockedIn = nil, nil, nil
}

// makeRunnable cancels what t is blocked in, if anything, and appends t to the ring if it is
// not in it.
//
//go:noinline
func (s *scheduler) makeRunnable(t *Tasklet) {
	if t.blockedIn != nil {
		t.blockedIn.cancel()
	}
	if !t.inRing {
		s.add(t)
	}
}

// makeHead makes t the head, wherever it was, and leaves the others in their order.
func (s *scheduler) makeHead(t *Tasklet) {
	s.makeRunnable(t)
	s.remove(t)
	s.insert(t, s.head)
	s.head = t
}
