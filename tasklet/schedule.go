package tasklet

// Schedule moves the current tasklet to the end of the ring and switches to the next one. If
// an error is thrown at the tasklet meanwhile, Schedule panics with it, so that the deferred
// calls run and the tasklet ends with that error; see Throw.
func Schedule() { must(schedule()) }

func schedule() error {
	s := currentScheduler()
	me := s.head
	s.poll()
	if s.n == 1 && (s.innermost == nil || !s.innermost.exhausted()) {
		if s.innermost != nil {
			s.innermost.left-- // it is a turn: else RunSteps would not end
		}
		return s.resumed(me, nil)
	}
	if s.trap > 0 || me.ending {
		return s.refusal("Schedule", me)
	}
	s.head = me.next
	return s.switchAway(me)
}

// ScheduleRemove takes the current tasklet out of the ring: it is paused until Insert, Run or
// Switch is called on it. Thrown errors end it as they end Schedule. A Timeout ends it, too,
// but nothing waits for that: if no tasklet is left that could call Insert, ScheduleRemove
// panics with a *DeadlockError.
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

// Main returns the main tasklet, which is the root's own code.
func Main() *Tasklet { return currentScheduler().main }

// RunCount returns the number of tasklets in the ring, the current one included.
func RunCount() int { return currentScheduler().n }

// SwitchTrap changes the depth of the root's switch trap by delta and returns the previous
// depth. While the depth is above 0, an operation that would switch to another tasklet
// returns ErrSwitchTrap and changes nothing. So does an operation that would wait for
// something from outside, since another tasklet may run meanwhile. An operation that finds
// no tasklet to switch to is allowed, or is a deadlock.
func SwitchTrap(delta int) (previous int) {
	s := currentScheduler()
	previous = s.trap
	s.trap += delta
	return previous
}

// usable returns t's scheduler, or the error of operation op if t cannot be used. It checks
// first whose t is, since nothing else of another root's tasklet may be read.
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

// notBlocked is usable for operations that a blocked tasklet refuses.
func (t *Tasklet) notBlocked(op string) (*scheduler, error) {
	s, err := t.usable(op)
	if err == nil && t.blockedIn != nil {
		err = &opError{op: op, who: t, err: ErrBlocked, from: s.head, why: t.blockedIn.waits().what() + ", and Throw would end that"}
	}
	return s, err
}

// Insert appends the tasklet to the run ring, if it is not in it.
func (t *Tasklet) Insert() error {
	s, err := t.notBlocked("Insert")
	if err == nil && !t.inRing {
		s.add(t)
	}
	return err
}

// Remove takes the tasklet out of the run ring, so that it is paused.
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

// Run appends the tasklet to the ring if it is not in it, and switches to it there: the
// tasklets that follow it in the ring run before the caller does.
func (t *Tasklet) Run() error { return t.switchTo("Run", false) }

// Switch is Run, except that the caller leaves the ring and is paused.
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
