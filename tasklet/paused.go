package tasklet

import (
	"cmp"
	"slices"
	"weak"
)

// paused lists the tasklets that are paused or have been, since the scheduler has no other
// reference to those. The pointers are weak so that a tasklet that has not started and is
// referred to by nothing else can be collected.
type paused struct {
	listed    []weak.Pointer[Tasklet]
	compactAt int // the length at which dead tasklets are removed from the list
}

// add lists t, which is paused, unless it is listed.
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

// Tasklets returns the living tasklets of the calling goroutine's root: first those in the
// ring, from the current one on; then the blocked ones in the order in which they were
// blocked; then the paused ones in the order of their creation. Print them, with their states,
// when something hangs. The call takes time in proportion to their number.
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
