package greenlet

import "strconv"

// An Event is what a Tracer is told of.
type Event int

const (
	EventSwitch Event = iota // a value was passed
	EventThrow               // an error: a Throw, or a death by error, panic or Goexit
)

func (e Event) String() string {
	switch e {
	case EventSwitch:
		return "switch"
	case EventThrow:
		return "throw"
	}
	return "Event(" + strconv.Itoa(int(e)) + ")"
}

// A Tracer is told of every switch of a tree: after it, on the target, before the
// target's pending Switch returns or its body begins. It is not called for its own
// switches: those from and back to a greenlet on which it runs. A tracer that
// panics is removed, and the panic goes on in the target.
type Tracer func(e Event, origin, target *Greenlet)

// SetTrace sets the tracer of the calling thread's tree and returns the one
// before; nil removes it. Like Current, it makes the goroutine a root.
func SetTrace(f Tracer) (previous Tracer) {
	t := ownReferencedTree()
	previous, t.tracer = t.tracer, f
	t.slow |= slowHousekeeping
	t.raceRelease()
	return previous
}

// GetTrace returns the tracer of the calling thread's tree, or nil.
func GetTrace() Tracer {
	if t := currentTree(); t != nil {
		defer t.raceRelease()
		return t.tracer
	}
	return nil
}

// ownReferencedTree is Current for those that need the tree.
func ownReferencedTree() *tree {
	Current()
	t := currentTree()
	t.referenceRoot()
	return t
}

func (t *tree) trace(k kind, origin, target *Greenlet) {
	e := EventThrow
	if k == kindValue {
		e = EventSwitch
	}
	origin.referenceIfRoot()
	target.referenceIfRoot()
	g := t.current
	x := g.c.makeRare()
	x.tracing = true
	returned := false
	defer func() {
		x.tracing = false
		if !returned {
			t.tracer = nil
		}
	}()
	t.tracer(e, origin, target)
	returned = true
}

func (g *Greenlet) referenceIfRoot() {
	if g.c.isRoot() {
		g.c.tree.Load().referenceRoot()
	}
}
