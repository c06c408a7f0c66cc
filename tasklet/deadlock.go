package tasklet

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
)

// A DeadlockError says that a tasklet would wait for ever, since nobody is left who
// could run, or that the last one that could has ended.
type DeadlockError struct {
	Waits []Wait // who waits, the longest waiting first; the one that would, last
}

// A Wait is what one tasklet waits for.
type Wait struct {
	Tasklet *Tasklet
	On      string // the channel's name, or what else it waits for
	Send    bool   // it sends; else it receives
	Since   string // the place in the program, as file:line
	channel bool
}

func (w Wait) String() string {
	what := "waits for " + w.On
	if w.channel {
		what = "receives from " + w.On
		if w.Send {
			what = "sends to " + w.On
		}
	}
	return fmt.Sprintf("%v %s at %s", w.Tasklet, what, w.Since)
}

func (e *DeadlockError) Error() string {
	var b strings.Builder
	b.WriteString("tasklet: deadlock: nobody can run")
	for _, w := range e.Waits {
		b.WriteString("\n\t" + w.String())
	}
	return b.String()
}

// deadlock reports on those that are blocked and on the one that would be, if any.
func (s *scheduler) deadlock(would *Wait) *DeadlockError {
	e := &DeadlockError{}
	for t := s.blocked; t != nil; t = t.next {
		w := t.queued.waits()
		w.Since = outermost(t.g.Stack())
		e.Waits = append(e.Waits, w)
	}
	slices.Reverse(e.Waits)
	if would != nil {
		pcs := make([]uintptr, 16)
		frames := runtime.CallersFrames(pcs[:runtime.Callers(1, pcs)])
		var stack []runtime.Frame
		for more := true; more; {
			var f runtime.Frame
			f, more = frames.Next()
			stack = append(stack, f)
		}
		would.Since = outermost(stack)
		e.Waits = append(e.Waits, *would)
	}
	return e
}

// outermost names the place in a stack that called this package, which called
// package greenlet and the runtime.
func outermost(stack []runtime.Frame) string {
	const ours = "github.com/go-greenlet/greenlet"
	for _, f := range stack {
		internal := strings.HasPrefix(f.Function, "runtime.") || strings.HasPrefix(f.Function, ours+".") ||
			strings.HasPrefix(f.Function, ours+"/internal/gort.") || strings.HasPrefix(f.Function, ours+"/tasklet.") ||
			strings.HasPrefix(f.Function, "_cgo") || f.File == ""
		if !internal {
			return fmt.Sprintf("%s:%d", f.File, f.Line)
		}
	}
	return "an unknown place"
}
