package tasklet

// A waiter is an entry of a channel's queue: a blocked tasklet, or a value that was posted or
// is in the buffer. A queue has either receivers in it, or senders and values.
type waiter[T any] struct {
	c          *Channel[T]
	t          *Tasklet // nil: a posted or buffered value
	v          T
	err        error // sent in place of a value
	send       bool
	outside    bool // another goroutine or the clock may end the wait: it counts as awaited
	abandoned  bool // the wait has ended without a partner
	buffered   bool // it takes a place of the buffer
	next, prev *waiter[T]
}

// enqueue appends a waiter, which it takes from the free list if there is one.
func (c *Channel[T]) enqueue(t *Tasklet, send bool) *waiter[T] {
	w := c.free
	if w == nil {
		w = &waiter[T]{c: c}
	} else {
		c.free = w.next
	}
	w.t, w.send, w.abandoned, w.buffered = t, send, false, false
	w.next, w.prev = nil, c.last
	if c.last == nil {
		c.first = w
	} else {
		c.last.next = w
	}
	c.last = w
	return w
}

func (c *Channel[T]) freeWaiter(w *waiter[T]) {
	var none T
	w.t, w.v, w.err, w.next = nil, none, nil, c.free
	c.free = w
}

// wait switches away from me, which is blocked in w.
func (w *waiter[T]) wait(me *Tasklet) error {
	err := w.c.s.switchAway(me)
	if w.abandoned && err == nil {
		// Something else has switched to me, and a greenlet that me has made has noted that
		// before: me is the head already.
		err = errByHand
	}
	return err
}

// storeInBuffer makes w, a waiter in the queue that no tasklet is blocked in, a buffered value.
func (c *Channel[T]) storeInBuffer(w *waiter[T], v T, err error) {
	w.v, w.err, w.buffered = v, err, true
	c.bufferLen++
}

// dequeueBuffered takes w, the first in the queue and a posted or buffered value, out of it.
// If it was buffered, the value of the first blocked sender moves into the buffer. That
// sender is blocked no longer, and the caller passes it to rendezvous.
func (c *Channel[T]) dequeueBuffered(w *waiter[T]) {
	buffered := w.buffered
	c.remove(w)
	c.freeWaiter(w)
	if !buffered {
		return
	}
	c.bufferLen--
	w = c.firstSend
	if w == nil {
		return
	}
	// The value gets a waiter of its own at the same place in the queue, since the sender
	// frees w when it goes on.
	b := c.enqueue(nil, true)
	c.unlink(b)
	b.prev, b.next = w.prev, w
	if w.prev == nil {
		c.first = b
	} else {
		w.prev.next = b
	}
	w.prev = b
	c.storeInBuffer(b, w.v, w.err)
	c.remove(w)
}

// unlink takes w out of the linked list, and does nothing else.
func (c *Channel[T]) unlink(w *waiter[T]) {
	if w.prev == nil {
		c.first = w.next
	} else {
		w.prev.next = w.next
	}
	if w.next == nil {
		c.last = w.prev
	} else {
		w.next.prev = w.prev
	}
}

// remove takes w out of the queue, and its tasklet out of the list of the blocked.
func (c *Channel[T]) remove(w *waiter[T]) {
	if w == c.firstSend {
		for c.firstSend = w.next; c.firstSend != nil && c.firstSend.t == nil; {
			c.firstSend = c.firstSend.next
		}
	}
	c.unlink(w)
	w.next, w.prev = nil, nil
	if w.t == nil {
		return
	}
	c.s.unpark(w.t)
	if w.send {
		c.balance--
	} else {
		c.balance++
	}
	if w.outside {
		w.outside = false
		c.s.awaited--
	}
}

// cancel removes w when the wait ends without a partner.
func (w *waiter[T]) cancel() {
	w.abandoned = true
	w.c.remove(w)
}

func (w *waiter[T]) waits() Wait {
	return Wait{channel: !w.c.internal, Tasklet: w.t, On: w.c.name, Send: w.send}
}

// await blocks the current tasklet until c is closed, which is no error here. As for block,
// the scheduler must not have polled since the caller found c open.
func (c *Channel[T]) await(op string) error {
	me := c.s.head
	w, err := c.block(op, me, false)
	if err != nil {
		return err
	}
	err = w.wait(me)
	c.freeWaiter(w)
	return err
}
