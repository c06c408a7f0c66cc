package tasklet

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync/atomic"

	"github.com/go-greenlet/greenlet"
	"github.com/go-greenlet/greenlet/internal/leaf"
)

// Preference says who goes on when a channel's action finds a partner.
type Preference int

const (
	PreferReceiver Preference = iota // the default: a sender lets the receiver run at once
	PreferNeither                    // whoever acts goes on
	PreferSender                     // a receiver lets the sender run at once
)

// A Channel passes values between tasklets. Who finds no partner is blocked, in a
// queue, first in, first out. It has no buffer, unless WithBuffer gives it one. Make it
// with NewChannel.
//
// All methods but Post, Close and String are called on the goroutine that made it.
// Those without an error result panic with ErrWrongThread elsewhere.
type Channel[T any] struct {
	s             *scheduler
	name          string
	first         *waiter[T] // of the queue
	last          *waiter[T]
	free          *waiter[T] // used ones, for use again
	firstSend     *waiter[T] // the first of the queue that is a blocked sender
	balance       int
	capacity      int // of the buffer
	bufferLen     int // values in the queue that fill it
	preference    Preference
	scheduleAll   bool // schedule all
	internal      bool // of an Event, a Semaphore or a tasklet's end: who waits does not receive
	posts         bool // others feed it: who receives may be woken from outside
	fromChannel   bool // the error of the last Receive, if any, was the channel's, and not thrown
	closing       bool
	closedToPosts bool // closing, for those elsewhere; the scheduler's mu guards it
}

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

var errNoChannel = errors.New("NewChannel, NewEvent and NewSemaphore make one that can be used")

// A ChannelOption changes what NewChannel makes, or NewEvent or NewSemaphore.
type ChannelOption func(*channelOptions)

type channelOptions struct {
	name   string
	posts  bool
	buffer int
}

// WithName sets a name for people: deadlock reports have it.
func WithName(name string) ChannelOption { return func(o *channelOptions) { o.name = name } }

// WithPosts says that other goroutines feed the channel, with Post: while a tasklet
// waits to receive from it and nobody can run, Run waits for a post, too. Without that,
// Run returns, or who would block gets a DeadlockError, and a post is found when there
// is one. For an Event it says that they call Set, for a Semaphore that they call Release.
func WithPosts() ChannelOption { return func(o *channelOptions) { o.posts = true } }

// WithBuffer gives the channel a buffer of n values, as make(chan T, n) does: a Send that
// finds no receiver leaves its value there and goes on, and is blocked when n values are
// in it. What is posted takes no place in it. n below 0 is a panic, and an Event or a
// Semaphore has no use for a buffer.
func WithBuffer(n int) ChannelOption {
	if n < 0 {
		panic(fmt.Errorf("tasklet: WithBuffer(%d): a buffer has room for 0 values or more", n))
	}
	return func(o *channelOptions) { o.buffer = n }
}

var lastChannel atomic.Uint64

// NewChannel makes an open channel.
func NewChannel[T any](opts ...ChannelOption) *Channel[T] {
	c := new(Channel[T])
	c.init("channel", opts)
	return c
}

// init makes c usable. What it is called, if the options do not say it, begins with kind.
func (c *Channel[T]) init(kind string, opts []ChannelOption) {
	var o channelOptions
	for _, opt := range opts {
		if opt != nil {
			opt(&o)
		}
	}
	if o.name == "" {
		o.name = fmt.Sprintf("%s/%d", kind, lastChannel.Add(1))
	}
	c.s, c.name, c.posts, c.capacity = currentScheduler(), o.name, o.posts, o.buffer
}

// String describes the channel for people.
func (c *Channel[T]) String() string {
	if c.s == nil {
		return "the zero value"
	}
	return c.name
}

// misuse is the error for a channel that is not the caller's.
func (c *Channel[T]) misuse(op string) error {
	switch {
	case c.s == nil:
		return fail(op, c, errNoChannel)
	case c.s.rootEnded():
		return fail(op, c, greenlet.ErrThreadExited)
	}
	err := fail(op, c, ErrWrongThread)
	if c.internal {
		err.(*opError).why = "only its own goroutine may use it; from elsewhere there are an Event's Set and a Semaphore's Release"
	}
	return err
}

// mustBeCurrent returns the channel's scheduler, for what has no error result.
func (c *Channel[T]) mustBeCurrent(op string) *scheduler {
	if !c.s.isCurrent() {
		panic(c.misuse(op))
	}
	return c.s
}

// Send passes v to a tasklet that receives. If there is none it waits for one, or leaves
// v in the buffer, if that has room.
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

// send says, too, whether v was received: an error may be thrown at the sender
// after that.
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
	if !me.watched { // else it was done before
		s.poll()
	}
	if w := c.first; w != nil && w.send {
		to := w.t
		if w.buffered && c.firstSend != nil {
			to = c.firstSend.t // there is room for what this one sends
		}
		if to != nil && (s.trap > 0 || me.ending) && c.switches(PreferSender) {
			return v, s.refusal("Receive", c)
		}
		v, err = w.v, w.err
		switch {
		case w.t == nil:
			c.dequeueBuffered(w)
		default:
			c.remove(w)
		}
		if to == nil {
			c.fromChannel = true
			return v, err
		}
		e := c.rendezvous(me, to, PreferSender)
		if c.fromChannel = e == nil; !c.fromChannel {
			err = both(e, err)
		}
		return v, err
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

// both is what was thrown at a receiver, and what was sent to it as an error.
func both(thrown, sent error) error {
	if sent == nil || leaf.All(sent, ErrClosed) { // which is still true later
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

// switches says whether an action with a partner that waits switches, if the
// partner's side is preferred by `theirs`.
func (c *Channel[T]) switches(theirs Preference) bool { return c.scheduleAll || c.preference == theirs }

// rendezvous lets me and its partner `to`, whom me has taken out of the queue, go on.
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

// block puts me, which finds no partner, into the queue. Nothing may have been
// collected since it was looked for: else there may be one.
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

// Balance returns how many senders are blocked or, as a negative number, how many
// receivers.
func (c *Channel[T]) Balance() int {
	c.mustBeCurrent("Balance").poll()
	return c.balance
}

// Close closes the channel for sending: what the senders that are blocked send, and
// what was posted, is still received. Receivers that are blocked are put into the
// ring, and get ErrClosed.
//
// Any goroutine may call it. From elsewhere it takes effect like a Post, after what
// was posted before.
func (c *Channel[T]) Close() {
	s := c.s
	if s == nil {
		panic(c.misuse("Close"))
	}
	own := s.isCurrent()
	s.mu.Lock()
	c.closedToPosts = true // from now on nothing is posted
	if !own {
		s.submitLocked(c.close)
	}
	s.mu.Unlock()
	if own {
		s.poll()
		c.close()
	}
}

func (c *Channel[T]) close() {
	c.s.mu.Lock()
	c.closedToPosts = true // an Open may have come in between
	c.s.mu.Unlock()
	c.closing = true
	for w := c.first; w != nil && !w.send; w = c.first {
		w.err = c.closed()
		to := w.t
		c.remove(w)
		c.s.add(to)
	}
}

// Open opens the channel again.
func (c *Channel[T]) Open() {
	s := c.mustBeCurrent("Open")
	s.poll()
	s.mu.Lock()
	c.closedToPosts = false
	s.mu.Unlock()
	c.closing = false
}

// Closing says whether Close was called.
func (c *Channel[T]) Closing() bool {
	c.mustBeCurrent("Closing").poll()
	return c.closing
}

// Closed says whether Close was called and nothing is left to be received.
func (c *Channel[T]) Closed() bool { return c.Closing() && c.first == nil }

// SetPreference says who goes on when two have met.
func (c *Channel[T]) SetPreference(p Preference) {
	c.mustBeCurrent("SetPreference")
	c.preference = p
}

// SetScheduleAll has every action with a partner let the next one in the ring go
// on, and both of them later; the preference has no meaning then.
func (c *Channel[T]) SetScheduleAll(on bool) {
	c.mustBeCurrent("SetScheduleAll")
	c.scheduleAll = on
}

// Post sends v from any goroutine, without waiting: v takes its place in the queue
// after the senders that are blocked, and is received in turn. A tasklet that waits
// for it goes on at its scheduler's next opportunity. See WithPosts for whether a
// Run, or a Receive that finds nobody else, waits for that.
//
// The error is ErrClosed if the channel is closed, and greenlet.ErrThreadExited if
// its root has ended. What was posted before that, and not received, is lost then.
func (c *Channel[T]) Post(v T) error {
	s := c.s
	if s == nil {
		return c.misuse("Post")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.ended:
		return fail("Post", c, greenlet.ErrThreadExited)
	case c.closedToPosts:
		return fail("Post", c, ErrClosed)
	}
	s.submitLocked(func() { c.enqueuePost(v) })
	return nil
}

// enqueuePost is what a post comes to.
func (c *Channel[T]) enqueuePost(v T) {
	w := c.first
	if w == nil || w.send {
		c.enqueue(nil, true).v = v
		return
	}
	w.v = v
	to := w.t
	c.remove(w)
	c.s.add(to)
}
