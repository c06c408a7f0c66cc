package tasklet

import (
	"fmt"
	"path"
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
	Since   string // the place in the program, as file:line; "" where Error does not show it
	channel bool
}

// shown is how many waits are worth the time and the text: the first and the last.
const shown = 20

func (w Wait) String() string {
	what := "waits for " + w.On
	if w.channel {
		what = "receives from " + w.On
		if w.Send {
			what = "sends to " + w.On
		}
	}
	if w.Since != "" {
		what += " at " + w.Since
	}
	return fmt.Sprintf("%v %s", w.Tasklet, what)
}

func (e *DeadlockError) Error() string {
	var b strings.Builder
	b.WriteString("tasklet: deadlock: nobody can run")
	for i, w := range e.Waits {
		switch {
		case isShown(i, len(e.Waits)):
			b.WriteString("\n\t" + w.String())
		case i == shown-1:
			fmt.Fprintf(&b, "\n\tand %d more", len(e.Waits)-shown)
		}
	}
	return b.String()
}

func isShown(i, of int) bool { return i < shown-1 || i == of-1 }

// deadlock reports on those that are blocked and on the one that would be, if any.
func (s *scheduler) deadlock(would *Wait) *DeadlockError {
	e := &DeadlockError{}
	for t := s.blocked; t != nil; t = t.next {
		e.Waits = append(e.Waits, t.queued.waits())
	}
	slices.Reverse(e.Waits)
	if would != nil {
		e.Waits = append(e.Waits, *would)
	}
	for i := range e.Waits {
		if w := &e.Waits[i]; !isShown(i, len(e.Waits)) {
			continue
		} else if would != nil && i == len(e.Waits)-1 {
			w.Since = outermost(callers())
		} else {
			w.Since = outermost(w.Tasklet.g.Stack())
		}
	}
	return e
}

func callers() (stack []runtime.Frame) {
	pcs := make([]uintptr, 32)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(1, pcs)])
	for more := true; more; {
		var f runtime.Frame
		f, more = frames.Next()
		stack = append(stack, f)
	}
	return stack
}

// ours is the directory of this package, as the compiler calls it.
var ours = func() string {
	_, file, _, _ := runtime.Caller(0)
	return path.Dir(file)
}()

// outermost names the place in a stack that called this package, which called
// package greenlet and the runtime. It goes by the files: the body of a loop is a
// function of the package that the loop was inlined into.
func outermost(stack []runtime.Frame) string {
	for _, f := range stack {
		if !strings.HasPrefix(f.Function, "runtime.") && !strings.HasPrefix(f.Function, "_cgo") && !between(f.File) {
			return fmt.Sprintf("%s:%d", f.File, f.Line)
		}
	}
	return "an unknown place"
}

// between says whether a file is between the user's program and an operation.
func between(file string) bool {
	dir, name := path.Split(file)
	dir = path.Clean(dir)
	switch {
	case file == "":
		return true
	case dir == ours || dir == path.Dir(ours) || strings.HasPrefix(dir, path.Dir(ours)+"/internal/"):
		return !strings.HasSuffix(name, "_test.go")
	}
	return name == "iter.go" && slices.Contains([]string{"iter", "maps", "slices"}, path.Base(dir))
}
