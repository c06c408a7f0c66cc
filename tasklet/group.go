package tasklet

import (
	"errors"
	"slices"

	"github.com/go-greenlet/greenlet/internal/place"
)

// A Group is a set of tasklets that are waited for together. The zero value is an empty group.
// It belongs to the root that first uses it, and is used on that one's goroutine.
type Group struct {
	s       *scheduler
	members []*Tasklet // in the order of their births
	done    Channel[struct{}]
	err     error // the first
}

// isCurrent reports whether the group is the calling root's, which an unused group becomes.
func (g *Group) isCurrent() bool {
	if g.s == nil {
		g.done.internal = true
		g.done.init("group", nil)
		g.s = g.done.s
	}
	return g.s.isCurrent()
}

// Go makes a tasklet of the group that will call f, and appends it to the run ring. The error
// with which it ends is a result of Wait, and does not come out of Run. A panic is both. Go
// panics with ErrWrongThread on another goroutine.
func (g *Group) Go(f func() error) *Tasklet {
	if !g.isCurrent() {
		panic(g.done.misuse("Go"))
	}
	var run func() (struct{}, error)
	if f != nil {
		run = func() (struct{}, error) { return struct{}{}, f() }
	}
	task := Spawn(run)
	t, result := task.Tasklet, task.result
	t.result = func(err error) {
		result(err)
		g.memberEnded(t, task.err)
	}
	t.code = place.PC(f)
	g.members = append(g.members, t)
	return t
}

// memberEnded is called when t has ended with err.
func (g *Group) memberEnded(t *Tasklet, err error) {
	if i := slices.Index(g.members, t); i >= 0 {
		g.members = slices.Delete(g.members, i, i+1)
	}
	if g.err == nil && err != nil && !exits(err) {
		g.err = err
	}
	if len(g.members) == 0 {
		g.done.close()
	}
}

// Wait waits until all tasklets of the group have ended, and returns the first error with
// which one has ended, except for ErrExit. When one fails, the others go on, unless Kill ends
// them. Wait returns early if an error is thrown at the caller, which leaves the group as it
// is.
func (g *Group) Wait() error {
	if !g.isCurrent() {
		return g.done.misuse("Wait")
	}
	g.s.poll()
	if len(g.members) > 0 {
		if err := g.done.await("Wait"); err != nil {
			return err
		}
	}
	return g.err
}

// Kill kills the tasklets of the group in the order of their creation, including those that
// their deferred calls start, and returns the errors of that, joined. Deferred, it makes sure
// that no tasklet of the group outlives a function:
//
//	var g tasklet.Group
//	defer g.Kill()
func (g *Group) Kill() error {
	if !g.isCurrent() {
		return g.done.misuse("Kill")
	}
	var errs []error
	var last uint64 // IDs are in the order of the births
	for {
		i := slices.IndexFunc(g.members, func(t *Tasklet) bool { return t.id > last })
		if i < 0 {
			return errors.Join(errs...)
		}
		t := g.members[i]
		last = t.id
		errs = append(errs, t.Kill())
	}
}
