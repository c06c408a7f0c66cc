package tasklet

import (
	"slices"

	"github.com/go-greenlet/greenlet/internal/layer"
)

// Look has f called with a snapshot when the scheduler next polls; see layer.Layer.
func (s *scheduler) Look(f func(layer.Tasklets)) bool {
	if !s.lookPending.CompareAndSwap(false, true) {
		return false
	}
	s.submit(func() {
		s.lookPending.Store(false)
		f(s.snapshot())
	})
	return true
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
