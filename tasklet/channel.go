package tasklet

import (
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/go-greenlet/greenlet"
)

// Preference says which of two tasklets goes on when an operation on a channel finds a
// partner.
type Preference int

const (
	PreferReceiver Preference = iota // the default: Send switches to the receiver at once
	PreferNeither                    // the caller of the operation goes on
	PreferSender                     // Receive switches to the sender at once
)

// A Channel passes values between tasklets. A tasklet that finds no partner is blocked in
// the channel's queue, which is first in, first out. There is no buffer, unless WithBuffer
// gives the channel one. Make it with NewChannel.
//
// A channel belongs to the root that made it. Any goroutine may call Post, Close and String;
// the other methods return ErrWrongThread on other goroutines, or panic with it if they have
// no error result.
type Channel[T any] struct {
	s             *scheduler
	name          string
	first         *waiter[T] // of the queue
	last          *waiter[T]
	free          *waiter[T] // waiters that are not in use, linked by next
	firstSend     *waiter[T] // the first waiter in the queue that is a blocked sender
	balance       int
	capacity      int // of the buffer
	bufferLen     int // how many values are in the buffer
	preference    Preference
	scheduleAll   bool // see SetScheduleAll
	internal      bool // part of an Event, a Semaphore, a Group or a tasklet's end, and named so in reports
	posts         bool // see WithPosts
	fromChannel   bool // what the last Receive returned came through the channel: nothing was thrown
	closing       bool
	closedToPosts bool // as closing, for Post on other goroutines; guarded by the scheduler's mu
}

var errNoChannel = errors.New("NewChannel, NewEvent and NewSemaphore make one that can be used")

// A ChannelOption changes what NewChannel makes, or NewEvent or NewSemaphore.
type ChannelOption func(*channelOptions)

type channelOptions struct {
	name   string
	posts  bool
	buffer int
}

// WithName sets the name that String, errors and deadlock reports show.
func WithName(name string) ChannelOption { return func(o *channelOptions) { o.name = name } }

// WithPosts declares that other goroutines feed the channel by Post. A tasklet that is
// blocked in Receive is then no deadlock, and Run waits for a post when no tasklet can run.
// Without WithPosts, Run returns in that case, an operation that would block returns a
// DeadlockError, and a value that is posted later is received later. For an Event the option
// declares that other goroutines call Set, for a Semaphore that they call Release.
func WithPosts() ChannelOption { return func(o *channelOptions) { o.posts = true } }

// WithBuffer gives the channel a buffer of n values, as make(chan T, n) does: a Send that
// finds no receiver puts its value there and returns, and blocks only when the buffer is
// full. Posted values take no place in it. WithBuffer panics if n is negative. An Event or a
// Semaphore ignores it.
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

// init makes c usable. Without WithName its name is kind and a number.
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

// misuse is the error of operation op on a channel that the caller may not use.
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

// mustBeCurrent returns the channel's scheduler for operations without an error result. It
// panics if the channel is not one of the caller's.
func (c *Channel[T]) mustBeCurrent(op string) *scheduler {
	if !c.s.isCurrent() {
		panic(c.misuse(op))
	}
	return c.s
}

// Balance returns the number of blocked senders or, negative, that of blocked receivers.
func (c *Channel[T]) Balance() int {
	c.mustBeCurrent("Balance").poll()
	return c.balance
}

// Close closes the channel for sending. The values of blocked senders, and those that were
// posted or buffered before, are still received. Blocked receivers go to the end of the
// ring, and their Receive returns ErrClosed.
//
// Any goroutine may call it. On another goroutine than the channel's own it takes effect
// like a Post: when the scheduler next polls, and after what that goroutine has posted.
func (c *Channel[T]) Close() {
	s := c.s
	if s == nil {
		panic(c.misuse("Close"))
	}
	own := s.isCurrent()
	s.mu.Lock()
	c.closedToPosts = true
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
	c.closedToPosts = true // again, since Open may have been called since then
	c.s.mu.Unlock()
	c.closing = true
	for w := c.first; w != nil && !w.send; w = c.first {
		w.err = c.closed()
		to := w.t
		c.remove(w)
		c.s.add(to)
	}
}

// Open opens a closed channel again.
func (c *Channel[T]) Open() {
	s := c.mustBeCurrent("Open")
	s.poll()
	s.mu.Lock()
	c.closedToPosts = false
	s.mu.Unlock()
	c.closing = false
}

// Closing reports whether Close was called.
func (c *Channel[T]) Closing() bool {
	c.mustBeCurrent("Closing").poll()
	return c.closing
}

// Closed reports whether Close was called and no value is left to be received.
func (c *Channel[T]) Closed() bool { return c.Closing() && c.first == nil }

// SetPreference sets which side goes on after an exchange. The default is PreferReceiver.
func (c *Channel[T]) SetPreference(p Preference) {
	c.mustBeCurrent("SetPreference")
	c.preference = p
}

// SetScheduleAll has each exchange switch to the next tasklet in the ring, and sender and
// receiver go on in their turns. The preference does not matter then.
func (c *Channel[T]) SetScheduleAll(on bool) {
	c.mustBeCurrent("SetScheduleAll")
	c.scheduleAll = on
}

// Post sends v from any goroutine, without waiting. The value goes to the end of the queue,
// behind blocked senders, and is received in turn. It arrives when the scheduler polls: at
// the next operation of one of its tasklets, or at once if the thread sleeps. WithPosts says
// whether Run and Receive wait for posts when no tasklet can run.
//
// The error is ErrClosed if the channel is closed, and greenlet.ErrThreadExited if its root
// has ended. Posted values that nobody has received by then are lost.
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

// enqueuePost passes a posted value to the first blocked receiver, or appends it.
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
