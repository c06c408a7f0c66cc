package tasklet

import (
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/go-greenlet/greenlet"
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
