package tasklet

// Schedule lets the others in the ring go first: the current tasklet is the last
// then. What is thrown at the tasklet meanwhile, it panics with, so that the
// tasklet ends with that error; see Throw.
func Schedule() { must(schedule()) }

func schedule() error {
	s := currentScheduler()
	me := s.head
	s.poll()
	if s.n == 1 && (s.innermost == nil || !s.innermost.exhausted()) {
		if s.innermost != nil {
			s.innermost.left-- // alone, it is not to go on for ever in RunSteps
		}
		return s.resumed(me, nil)
	}
	if s.trap > 0 || me.ending {
		return s.refusal("Schedule", me)
	}
	s.head = me.next
	return s.switchAway(me)
}

// ScheduleRemove takes the current tasklet out of the ring. It goes on when
// somebody inserts it. See Schedule for what is thrown at it.
func ScheduleRemove() {
	s := currentScheduler()
	me := s.head
	s.poll()
	if s.n == 1 && !me.ending && !s.hasSuccessor(me) {
		must(s.deadlock(&Wait{Tasklet: me, On: "being inserted"}))
	}
	must(s.refusal("ScheduleRemove", me))
	s.pause(me)
	must(s.switchAway(me))
}

// Current returns the running tasklet.
func Current() *Tasklet { return currentScheduler().head }

// Main returns the tasklet of the root: the code that nobody made a tasklet.
func Main() *Tasklet { return currentScheduler().main }

// RunCount returns how many tasklets are in the ring, the current one included.
func RunCount() int { return currentScheduler().n }

// SwitchTrap changes the depth of the switch trap by delta and returns what it was.
// While it is above 0, an operation that would switch to another tasklet returns
// ErrSwitchTrap and changes nothing, and so does one that would wait for something
// from outside, which may be another tasklet's turn. One that finds nobody to switch
// to is allowed, or is a deadlock.
func SwitchTrap(delta int) (previous int) {
	s := currentScheduler()
	previous = s.trap
	s.trap += delta
	return previous
}

// usable says why an operation on t is refused, if so. Whose it is comes first:
// nothing else of another thread's tasklet may be read.
func (t *Tasklet) usable(op string) (*scheduler, error) {
	switch {
	case t == nil || t.s == nil || t.s.rootEnded():
		return nil, fail(op, t, ErrDead)
	case !t.s.isCurrent():
		return nil, fail(op, t, ErrWrongThread)
	case t.dead:
		return nil, fail(op, t, ErrDead)
	}
	return t.s, nil
}

// notBlocked is usable for what is not to be done to a tasklet that waits.
func (t *Tasklet) notBlocked(op string) (*scheduler, error) {
	s, err := t.usable(op)
	if err == nil && t.blockedIn != nil {
		err = &opError{op: op, who: t, err: ErrBlocked, from: s.head, why: t.blockedIn.waits().what() + ", and Throw would end that"}
	}
	return s, err
}

// Insert puts the tasklet at the end of the run ring, if it is not in it.
func (t *Tasklet) Insert() error {
	s, err := t.notBlocked("Insert")
	if err == nil && !t.inRing {
		s.add(t)
	}
	return err
}

// Remove takes the tasklet out of the run ring: it is paused then.
func (t *Tasklet) Remove() error {
	s, err := t.notBlocked("Remove")
	if err == nil && t == s.head {
		err = fail("Remove", t, ErrCurrent)
	}
	if err == nil && t.inRing {
		s.pause(t)
	}
	return err
}

// Run inserts the tasklet if needed and switches to it at its place in the ring:
// those after it run before the caller does.
func (t *Tasklet) Run() error { return t.switchTo("Run", false) }

// Switch is Run, but the caller leaves the ring: it is paused.
func (t *Tasklet) Switch() error { return t.switchTo("Switch", true) }

func (t *Tasklet) switchTo(op string, pause bool) error {
	s, err := t.notBlocked(op)
	if err != nil {
		return err
	}
	me := s.head
	if t == me {
		return nil
	}
	if err := s.refusal(op, t); err != nil {
		return err
	}
	s.makeRunnable(t)
	if pause {
		s.pause(me)
	}
	s.head = t
	return s.switchAway(me)
}
