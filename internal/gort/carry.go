package gort

import "unsafe"

// A Word is memory of the thread's, such as a C library's thread-local variable, that a
// coroutine carries: it has contents of its own in there while C waits on the coroutine.
type Word struct {
	at     unsafe.Pointer
	own    []byte // the coroutine's, while it is suspended
	others []byte // what is there while others run
}

// Carry has the coroutine carry size bytes at an address from now on, which are for it what they
// are for all others. What it carries already it does not carry twice.
func (c *Coro) Carry(at unsafe.Pointer, size uintptr) {
	for i := range c.Words {
		if w := &c.Words[i]; w.at == at && len(w.own) == int(size) {
			return
		}
	}
	w := Word{at: at, own: make([]byte, size), others: make([]byte, size)}
	copy(w.own, w.there())
	copy(w.others, w.there())
	c.Words = append(c.Words, w)
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

// Unpark is the other half of Park. It goes the other way round, since words may overlap.
func (c *Coro) Unpark() {
	for i := len(c.Words) - 1; i >= 0; i-- {
		w := &c.Words[i]
		copy(w.others, w.there())
		copy(w.there(), w.own)
	}
}

// Drop is called when what ran on the coroutine has ended. C frames may have been skipped,
// that would have left the words as they were.
func (c *Coro) Drop() {
	if c.Words == nil {
		return
	}
	for i := range c.Words {
		w := &c.Words[i]
		copy(w.there(), w.others)
	}
	c.Words = nil
}
