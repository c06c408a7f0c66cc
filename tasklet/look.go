package tasklet

import (
	"slices"

	"github.com/go-greenlet/greenlet/internal/layer"
)

// Look asks for a snapshot, which is taken when one of the tasklets next calls an operation,
// or at once if they all wait for something from outside; see layer.Layer. Calls that come
// before it is taken share it.
func (s *scheduler) Look() *layer.Answer {
	fresh := &layer.Answer{Done: make(chan struct{})}
	for {
		if a := s.looking.Load(); a != nil {
			return a
		}
		if s.looking.CompareAndSwap(nil, fresh) { // else another goroutine's Look was the first
			break
		}
	}
	s.submit(func() {
		s.looking.Store(nil) // a later Look gets a later snapshot
		fresh.Tasklets = s.snapshot()
		close(fresh.Done)
	})
	return fresh
}

func (s *scheduler) snapshot() layer.Tasklets {
	l := layer.Tasklets{Awaited: s.awaited}
	if t := s.head; t != nil {
		for range s.n {
			l.Ring = append(l.Ring, t.id)
			t = t.next
		}
	}
	for t := s.blocked; t != nil; t = t.next {
		w := t.blockedIn.waits()
		l.Waits = append(l.Waits, layer.Wait{ID: t.id, On: w.On, Channel: w.channel, Send: w.Send})
	}
	slices.Reverse(l.Waits)
	return l
}

// Ready may read the number while the root's thread changes it. It is one word, and a value
// that is out of date does.
//
//go:norace
func (s *scheduler) Ready() int { return s.n }
