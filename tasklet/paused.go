package tasklet

import (
	"cmp"
	"slices"
	"weak"
)

// paused lists the tasklets that have been paused some time: they are in no other list
// while they are. Who is forgotten before it began is not to stay for that.
type paused struct {
	listed    []weak.Pointer[Tasklet]
	compactAt int // the length at which the list is cleared of the dead
}

// add puts t, which is paused, into the list, once.
func (p *paused) add(t *Tasklet) {
	if t.listed || t.dead {
		return
	}
	if len(p.listed) >= p.compactAt {
		p.listed = slices.DeleteFunc(p.listed, func(w weak.Pointer[Tasklet]) bool {
			t := w.Value()
			return t == nil || t.dead
		})
		p.compactAt = 2*len(p.listed) + 16
	}
	t.listed = true
	p.listed = append(p.listed, weak.Make(t))
}

// pause takes t out of the ring, and into no other place.
func (s *scheduler) pause(t *Tasklet) {
	s.remove(t)
	s.paused.add(t)
}

// Tasklets returns the living tasklets of the calling goroutine's root: those in the ring,
// the current one first and the others in the order of their turns; those that are
// blocked, the longest first; and those that are paused, the oldest first. With String,
// which says what each does, it is what to print when something hangs. It takes time in
// proportion to their number.
func Tasklets() []*Tasklet {
	s := currentScheduler()
	s.poll()
	var all []*Tasklet
	for t := s.head; len(all) < s.n; t = t.next {
		all = append(all, t)
	}
	for t := s.blocked; t != nil; t = t.next {
		all = append(all, t)
	}
	slices.Reverse(all[s.n:])
	others := len(all)
	for _, w := range s.paused.listed {
		if t := w.Value(); t != nil && t.Paused() {
			all = append(all, t)
		}
	}
	slices.SortFunc(all[others:], func(a, b *Tasklet) int { return cmp.Compare(a.id, b.id) })
	return all
}
