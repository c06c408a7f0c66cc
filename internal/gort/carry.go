package gort

import "unsafe"

// A Word is memory of the thread's, such as a C library's thread-local variable, that a
// coroutine carries: it has contents of its own in there while C waits on the coroutine.
type Word struct {
	at     unsafe.Pointer
	own    []byte // the coroutine's, while it is suspended
	others []byte // what is there while others run
}

// NewWord makes one, for a coroutine that finds there what all others do, too.
func NewWord(at unsafe.Pointer, size uintptr) Word {
	w := Word{at: at, own: make([]byte, size), others: make([]byte, size)}
	copy(w.own, w.there())
	copy(w.others, w.there())
	return w
}

func (w *Word) there() []byte { return unsafe.Slice((*byte)(w.at), len(w.own)) }

// Park puts the words of the running coroutine aside before a switch, and Unpark puts them
// back when it goes on.
func (c *Coro) Park() {
	for i := range c.Words {
		w := &c.Words[i]
		copy(w.own, w.there())
		copy(w.there(), w.others)
	}
}

// Unpark is the other half of Park.
func (c *Coro) Unpark() {
	for i := range c.Words {
		w := &c.Words[i]
		copy(w.others, w.there())
		copy(w.there(), w.own)
	}
}

// Drop is called when what ran on the coroutine has ended. C frames may have been skipped,
// that would have left the words as they were.
func (c *Coro) Drop() {
	for i := range c.Words {
		w := &c.Words[i]
		copy(w.there(), w.others)
	}
	c.Words = nil
}
