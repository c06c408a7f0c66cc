package tasklet

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
func (s *scheduler) park(me *Tasklet, q blocker) {
	s.remove(me)
	me.blockedIn = q
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
	t.next, t.prev, t.blockedIn = nil, nil, nil
}

// makeRunnable ends what t waits in, if anything, and puts it into the ring.
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

// makeHead makes t the head, from wherever it is, with the others after it.
func (s *scheduler) makeHead(t *Tasklet) {
	s.makeRunnable(t)
	s.remove(t)
	s.insert(t, s.head)
	s.head = t
}
