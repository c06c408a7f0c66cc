package greenlet

import "strconv"

// An Event is the kind of switch that a Tracer is called for.
type Event int

const (
	EventSwitch Event = iota // a value was passed
	EventThrow               // an error was passed: by Throw, or by an end with an error, panic or Goexit
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

// A Tracer is called for every switch of a tree: after the switch, on the target, before the
// Switch in which the target waits returns, or its body begins. It is not called for its own
// switches: those from and back to a greenlet on which it runs. A tracer that
// panics is removed, and the panic goes on in the target.
type Tracer func(e Event, origin, target *Greenlet)

// SetTrace sets the tracer of the calling goroutine's tree and returns the one that was set
// before; nil removes it. Like Current, it makes the goroutine a root.
func SetTrace(f Tracer) (previous Tracer) {
	t := ownReferencedTree()
	previous, t.tracer = t.tracer, f
	t.slow |= slowHousekeeping // every switch is to call receive, which calls the tracer
	t.raceRelease()
	return previous
}

// GetTrace returns the tracer of the calling goroutine's tree; nil: there is none.
func GetTrace() Tracer {
	if t := currentTree(); t != nil {
		defer t.raceRelease()
		return t.tracer
	}
	return nil
}

// ownReferencedTree returns the tree of the calling goroutine, which becomes a root if it is in
// no tree, and notes that the program has a reference to the root, so that the tree lasts.
func ownReferencedTree() *tree {
	Current()
	t := currentTree()
	t.referenceRoot()
	return t
}

// trace calls the tracer for a switch with a message of kind k. It runs on target, the current
// greenlet; while it does, rare.tracing of that one is set. A tracer that panics or calls
// runtime.Goexit is removed.
func (t *tree) trace(k kind, origin, target *Greenlet) {
	e := EventThrow
	if k == kindValue {
		e = EventSwitch
	}
	origin.referenceIfRoot()
	target.referenceIfRoot()
	g := t.current
	extra := g.c.makeRare()
	extra.tracing = true
	returned := false
	defer func() {
		extra.tracing = false
		if !returned {
			t.tracer = nil
		}
	}()
	t.tracer(e, origin, target)
	returned = true
}

// referenceIfRoot notes that the program has a reference to g, if g is a root: the tracer gets
// one.
func (g *Greenlet) referenceIfRoot() {
	if g.c.isRoot() {
		g.c.tree.Load().referenceRoot()
	}
}
