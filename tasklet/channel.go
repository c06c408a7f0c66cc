package tasklet

import (
	"errors"
	"fmt"
	"iter"
	"sync/atomic"
)

// Preference says who goes on when a channel's action finds a partner.
type Preference int

const (
	PreferReceiver Preference = iota // the default: a sender lets the receiver run at once
	PreferNeither                    // whoever acts goes on
	PreferSender                     // a receiver lets the sender run at once
)

// A Channel passes values between tasklets, without a buffer: who finds no partner
// is blocked, in a queue, first in, first out. Make it with NewChannel.
//
// All methods but Post are called on the thread that made it.
type Channel[T any] struct {
	s          *scheduler
	name       string
	first      *waiter[T] // of the queue
	last       *waiter[T]
	free       *waiter[T] // used ones, for use again
	balance    int
	preference Preference
	all        bool // schedule all
	posts      bool // others feed it: who receives may be woken from outside
	closing    bool
	posted     []T // and not received yet
}

// A waiter is a tasklet's place in the queue.
type waiter[T any] struct {
	c          *Channel[T]
	t          *Tasklet
	v          T
	err        error // sent in place of a value
	send       bool
	next, prev *waiter[T]
}

// A ChannelOption changes what NewChannel makes.
type ChannelOption func(*channelOptions)

type channelOptions struct {
	name  string
	posts bool
}

// WithName sets a name for people: deadlock reports have it.
func WithName(name string) ChannelOption { return func(o *channelOptions) { o.name = name } }

// WithPosts says that Post feeds the channel: while a tasklet waits to receive from
// it, and it is not closed, Run waits too.
func WithPosts() ChannelOption { return func(o *channelOptions) { o.posts = true } }

var lastChannel atomic.Uint64

// NewChannel makes an open channel.
func NewChannel[T any](opts ...ChannelOption) *Channel[T] {
	var o channelOptions
	for _, opt := range opts {
		if opt != nil {
			opt(&o)
		}
	}
	if o.name == "" {
		o.name = fmt.Sprintf("channel/%d", lastChannel.Add(1))
	}
	return &Channel[T]{s: here(), name: o.name, posts: o.posts}
}

// String describes the channel for people.
func (c *Channel[T]) String() string { return c.name }

// Send passes v to a tasklet that receives, and waits for one if there is none.
func (c *Channel[T]) Send(v T) error { return c.send("Send", v, nil) }

// SendError has the receiver's Receive return err, which must not be nil.
func (c *Channel[T]) SendError(err error) error {
	if err == nil {
		return &opError{"SendError", c, errors.New("the error is nil")}
	}
	var none T
	return c.send("SendError", none, err)
}

func (c *Channel[T]) send(op string, v T, err error) error {
	s := c.s
	if here() != s {
		return &opError{op, c, ErrWrongThread}
	}
	me := s.head
	if c.closing {
		return &opError{op, c, ErrClosed}
	}
	s.collect()
	if c.balance < 0 {
		to := c.first.t
		if s.trap > 0 && c.switches(PreferReceiver) {
			return &opError{op, c, ErrSwitchTrap}
		}
		c.first.v, c.first.err = v, err
		c.first.unlink()
		return c.meet(me, to, PreferReceiver)
	}
	w, e := c.block(op, me, true)
	if e != nil {
		return e
	}
	w.v, w.err = v, err
	e = s.leave(me)
	c.recycle(w)
	return e
}

// Receive returns the next value that is sent, and waits for one if there is none.
func (c *Channel[T]) Receive() (v T, err error) {
	s := c.s
	if here() != s {
		return v, &opError{"Receive", c, ErrWrongThread}
	}
	me := s.head
	s.collect()
	if len(c.posted) > 0 {
		v = c.posted[0]
		var none T
		c.posted[0] = none
		c.posted = c.posted[1:]
		return v, nil
	}
	if c.balance > 0 {
		w := c.first
		if s.trap > 0 && c.switches(PreferSender) {
			return v, &opError{"Receive", c, ErrSwitchTrap}
		}
		v, err = w.v, w.err
		to := w.t
		w.unlink()
		if e := c.meet(me, to, PreferSender); e != nil {
			return v, e
		}
		return v, err
	}
	if c.closing {
		return v, &opError{"Receive", c, ErrClosed}
	}
	w, e := c.block("Receive", me, false)
	if e != nil {
		return v, e
	}
	e = s.leave(me)
	v, err = w.v, w.err
	c.recycle(w)
	if e != nil {
		return v, e
	}
	return v, err
}

// switches says whether an action with a partner that waits switches, if the
// partner's side is preferred by `theirs`.
func (c *Channel[T]) switches(theirs Preference) bool { return c.all || c.preference == theirs }

// meet lets me and its partner `to`, whom me has taken out of the queue, go on.
func (c *Channel[T]) meet(me, to *Tasklet, theirs Preference) error {
	s := c.s
	switch {
	case c.all:
		s.add(to)
		s.head = me.next
	case c.preference == theirs:
		s.insert(to, me.next)
		s.head = to
	default:
		s.add(to)
		return nil
	}
	return s.leave(me)
}

// block puts me, which finds no partner, into the queue. Nothing may have been
// collected since it was looked for: else there may be one.
func (c *Channel[T]) block(op string, me *Tasklet, send bool) (*waiter[T], error) {
	s := c.s
	outside := c.posts && !send
	switch {
	case me.blockTrap:
		return nil, &opError{op, c, ErrBlockTrap}
	case s.trap > 0:
		return nil, &opError{op, c, ErrSwitchTrap}
	case s.n == 1 && !outside && !s.anybody():
		return nil, s.deadlock(&Wait{channel: true, Tasklet: me, On: c.name, Send: send})
	}
	w := c.free
	if w == nil {
		w = &waiter[T]{c: c}
	} else {
		c.free = w.next
	}
	w.t, w.send = me, send
	w.next, w.prev = nil, c.last
	if c.last == nil {
		c.first = w
	} else {
		c.last.next = w
	}
	c.last = w
	s.park(me, w)
	if send {
		c.balance++
	} else {
		c.balance--
	}
	if outside {
		s.awaited++
	}
	return w, nil
}

func (c *Channel[T]) recycle(w *waiter[T]) {
	var none T
	w.t, w.v, w.err, w.next = nil, none, nil, c.free
	c.free = w
}

// unlink takes the tasklet out of the queue.
func (w *waiter[T]) unlink() {
	c := w.c
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
	w.next, w.prev = nil, nil
	c.s.unpark(w.t)
	if w.send {
		c.balance--
	} else {
		c.balance++
		if c.posts {
			c.s.awaited--
		}
	}
}

func (w *waiter[T]) waits() Wait {
	return Wait{channel: true, Tasklet: w.t, On: w.c.name, Send: w.send}
}

// All returns an iterator that receives until the channel is closed and empty, or
// until somebody sends ErrStop with SendError. Another error that is received, it
// panics with, as Schedule does.
func (c *Channel[T]) All() iter.Seq[T] {
	return func(yield func(T) bool) {
		for {
			v, err := c.Receive()
			if errors.Is(err, ErrClosed) || errors.Is(err, ErrStop) {
				return
			}
			must(err)
			if !yield(v) {
				return
			}
		}
	}
}

// SendAll sends the values of seq, and returns how many were sent.
func (c *Channel[T]) SendAll(seq iter.Seq[T]) (n int, err error) {
	for v := range seq {
		if err = c.Send(v); err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}

// Balance returns how many senders are blocked or, as a negative number, how many
// receivers.
func (c *Channel[T]) Balance() int { return c.balance }

// Close closes the channel for sending: what the senders that are blocked send is
// still received. Receivers that are blocked are put into the ring, and get
// ErrClosed.
func (c *Channel[T]) Close() {
	c.closing = true
	for c.balance < 0 {
		w := c.first
		t := w.t
		w.err = &opError{"Receive", c, ErrClosed}
		w.unlink()
		c.s.add(t)
	}
}

// Open opens the channel again.
func (c *Channel[T]) Open() { c.closing = false }

// Closing says whether Close was called.
func (c *Channel[T]) Closing() bool { return c.closing }

// Closed says whether Close was called and nothing is left to be received.
func (c *Channel[T]) Closed() bool { return c.closing && c.balance == 0 && len(c.posted) == 0 }

// SetPreference says who goes on when two have met.
func (c *Channel[T]) SetPreference(p Preference) { c.preference = p }

// SetScheduleAll has every action with a partner let the next one in the ring go
// on, and both of them later; the preference has no meaning then.
func (c *Channel[T]) SetScheduleAll(on bool) { c.all = on }

// Post sends v from any goroutine, without waiting: the channel keeps it until it
// is received. A tasklet that waits for it goes on at its scheduler's next
// opportunity, which a Run that waits takes at once.
func (c *Channel[T]) Post(v T) {
	c.s.tell(func() {
		if c.balance < 0 { // then there is nothing from before
			w := c.first
			t := w.t
			w.v = v
			w.unlink()
			c.s.add(t)
			return
		}
		c.posted = append(c.posted, v)
	})
}
