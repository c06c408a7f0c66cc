package tasklet

import (
	"context"
	"errors"
	"iter"

	"github.com/go-greenlet/greenlet/internal/leaf"
)

// Send passes v to the tasklet that has waited longest to receive. If there is none, Send
// puts v into the buffer, or if that is full, or there is none, waits for a receiver.
func (c *Channel[T]) Send(v T) error {
	_, err := c.send("Send", v, nil)
	return err
}

// SendError has the receiver's Receive return err, which must not be nil.
func (c *Channel[T]) SendError(err error) error {
	if err == nil {
		return fail("SendError", c, errors.New("the error is nil"))
	}
	var none T
	_, err = c.send("SendError", none, err)
	return err
}

// send also reports whether v was received or is in the buffer. Both results can say yes:
// an error may be thrown at the sender after that.
func (c *Channel[T]) send(op string, v T, err error) (received bool, _ error) {
	s := c.s
	if !s.isCurrent() {
		return false, c.misuse(op)
	}
	s.poll()
	me := s.head
	if c.closing {
		return false, fail(op, c, ErrClosed)
	}
	if w := c.first; w != nil && !w.send {
		if (s.trap > 0 || me.ending) && c.switches(PreferReceiver) {
			return false, s.refusal(op, c)
		}
		to := w.t
		w.v, w.err = v, err
		c.remove(w)
		return true, c.rendezvous(me, to, PreferReceiver)
	}
	if c.bufferLen < c.capacity {
		c.storeInBuffer(c.enqueue(nil, true), v, err)
		return true, nil
	}
	w, e := c.block(op, me, true)
	if e != nil {
		return false, e
	}
	w.v, w.err = v, err
	e = w.wait(me)
	received = !w.abandoned
	c.freeWaiter(w)
	return received, e
}

// Receive returns the next value that is sent, and waits for one if there is none.
// If an error is thrown at the tasklet when a value is on its way to it already,
// the value comes with the error; one that was sent with SendError is joined to it.
func (c *Channel[T]) Receive() (v T, err error) {
	s := c.s
	if !s.isCurrent() {
		return v, c.misuse("Receive")
	}
	me := s.head
	if !me.watched { // else watch.begin has polled
		s.poll()
	}
	if w := c.first; w != nil && w.send {
		return c.receiveFrom(w, me)
	}
	if c.closing {
		c.fromChannel = true
		return v, c.closed()
	}
	w, err := c.block("Receive", me, false)
	if err != nil {
		return v, err
	}
	e := w.wait(me)
	v, err = w.v, w.err
	c.freeWaiter(w)
	if c.fromChannel = e == nil; !c.fromChannel {
		err = both(e, err)
	}
	return v, err
}

// receiveFrom receives from w, the first in the queue, which is a value that is there or a
// blocked sender.
func (c *Channel[T]) receiveFrom(w *waiter[T], me *Tasklet) (v T, err error) {
	sender := w.t
	if w.buffered && c.firstSend != nil {
		sender = c.firstSend.t // its value takes the place in the buffer
	}
	if sender != nil && (c.s.trap > 0 || me.ending) && c.switches(PreferSender) {
		return v, c.s.refusal("Receive", c)
	}
	v, err = w.v, w.err
	if w.t == nil {
		c.dequeueBuffered(w)
	} else {
		c.remove(w)
	}
	if sender == nil {
		c.fromChannel = true
		return v, err
	}
	e := c.rendezvous(me, sender, PreferSender)
	if c.fromChannel = e == nil; !c.fromChannel {
		err = both(e, err)
	}
	return v, err
}

// both is the error of a Receive at whose tasklet an error was thrown when it had received
// something already, be that an error.
func both(thrown, sent error) error {
	if sent == nil || leaf.All(sent, ErrClosed) { // the next Receive says it again
		return thrown
	}
	return errors.Join(thrown, sent)
}

// ReceiveContext is Receive, but that it returns the context's cause as soon as the
// context is done, with nothing received. While it waits, and the context can be
// done, nobody's waiting is a deadlock, and Run waits, too.
func (c *Channel[T]) ReceiveContext(ctx context.Context) (v T, err error) {
	if !c.s.isCurrent() {
		return v, c.misuse("Receive")
	}
	var w watch
	if err := w.begin(ctx, "Receive", c); err != nil {
		return v, err
	}
	defer w.end()
	return c.Receive()
}

func (c *Channel[T]) closed() error { return &opError{op: "Receive", who: c, err: ErrClosed} }

// switches reports whether an exchange with a blocked partner is also a switch. theirs is
// the preference that is for the partner.
func (c *Channel[T]) switches(theirs Preference) bool { return c.scheduleAll || c.preference == theirs }

// rendezvous decides by the channel's preference who goes on after an exchange of me with
// its partner `to`, which was taken out of the queue.
func (c *Channel[T]) rendezvous(me, to *Tasklet, theirs Preference) error {
	s := c.s
	switch {
	case c.scheduleAll:
		s.add(to)
		s.head = me.next
	case c.preference == theirs:
		s.insert(to, me.next)
		s.head = to
	default:
		s.add(to)
		return nil
	}
	return s.switchAway(me)
}

// block puts me, which has found no partner, into the queue. The scheduler must not have
// polled since the search, since polling can bring a partner.
func (c *Channel[T]) block(op string, me *Tasklet, send bool) (*waiter[T], error) {
	s := c.s
	outside := c.posts && !send || me.watched || me.timeouts > 0
	switch {
	case me.blockTrap:
		return nil, fail(op, c, ErrBlockTrap)
	case s.n == 1 && !outside && !me.ending && !s.hasSuccessor(me):
		return nil, s.deadlock(&Wait{channel: !c.internal, Tasklet: me, On: c.name, Send: send})
	case s.trap > 0 || me.ending:
		return nil, s.refusal(op, c)
	}
	w := c.enqueue(me, send)
	s.park(me, w)
	if send {
		c.balance++
		if c.firstSend == nil {
			c.firstSend = w
		}
	} else {
		c.balance--
	}
	if w.outside = outside; outside {
		s.awaited++
	}
	return w, nil
}

// All returns an iterator that receives until the channel is closed and empty, or
// until somebody sends ErrStop, or ErrClosed, with SendError. Another error, also
// one that is joined with these, and one that is thrown at the tasklet, it panics
// with, as Schedule does.
func (c *Channel[T]) All() iter.Seq[T] {
	return func(yield func(T) bool) {
		for {
			v, err := c.Receive()
			if c.fromChannel && leaf.All(err, ErrClosed, ErrStop) {
				return
			}
			must(err)
			if !yield(v) {
				return
			}
		}
	}
}

// SendAll sends the values of seq, and returns how many were received or are in the
// buffer. With an error one more may have been taken from seq.
func (c *Channel[T]) SendAll(seq iter.Seq[T]) (n int, err error) {
	// Before a value is taken that would be lost.
	switch {
	case !c.s.isCurrent():
		return 0, c.misuse("SendAll")
	case c.closing:
		return 0, fail("SendAll", c, ErrClosed)
	}
	for v := range seq {
		received, err := c.send("SendAll", v, nil)
		if received {
			n++
		}
		if err != nil {
			return n, err
		}
	}
	return n, nil
}
