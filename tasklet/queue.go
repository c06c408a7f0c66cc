package tasklet

// A waiter is a place in the queue.
type waiter[T any] struct {
	c          *Channel[T]
	t          *Tasklet // nil: what it sends was posted, or is in the buffer
	v          T
	err        error // sent in place of a value
	send       bool
	outside    bool // it may be woken from outside
	abandoned  bool // before it found a partner
	buffered   bool // it is in the buffer
	next, prev *waiter[T]
}

// enqueue makes a place at the end of the queue.
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

// wait is leave for me, which w is for.
func (w *waiter[T]) wait(me *Tasklet) error {
	err := w.c.s.switchAway(me)
	if w.abandoned && err == nil {
		err = errByHand // out of another greenlet that me has made: me is the head already
	}
	return err
}

// storeInBuffer makes w, which is in the queue and nobody's, a value in the buffer.
func (c *Channel[T]) storeInBuffer(w *waiter[T], v T, err error) {
	w.v, w.err, w.buffered = v, err, true
	c.bufferLen++
}

// dequeueBuffered takes w, the first in the queue and nobody's, out of it. If it was in the buffer,
// what the first blocked sender sends takes its place there, and that one waits no longer:
// it is for meet then.
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
	// A place of its own, since the sender gives back w; at the same place in the queue.
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

// unlink takes w out of the list that the queue is.
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

// remove takes w out of the queue.
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

// cancel is remove for somebody who is not a partner.
func (w *waiter[T]) cancel() {
	w.abandoned = true
	w.c.remove(w)
}

func (w *waiter[T]) waits() Wait {
	return Wait{channel: !w.c.internal, Tasklet: w.t, On: w.c.name, Send: w.send}
}

// await has the current tasklet wait for c's being closed, which is no error here. Nothing
// may have been collected since it was looked for.
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
