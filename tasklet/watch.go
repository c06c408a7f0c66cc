package tasklet

import (
	"context"
	"fmt"
	"slices"
)

// A watch ends the wait in which a tasklet is about to block when a context is done, with
// the context's cause. The end of the context has an effect only while the tasklet is
// blocked. So the scheduler must not poll between begin and the block, or the end would be
// missed.
type watch struct {
	t          *Tasklet
	unregister func() bool
	over       bool
	cancelled  bool
}

// begin starts the watch for operation op on who, unless the context is done already: its
// cause is the error then. The caller calls end in any case.
func (w *watch) begin(ctx context.Context, op string, who fmt.Stringer) error {
	s := currentScheduler()
	s.poll()
	switch {
	case ctx == nil:
		return fail(op, who, errNoContext)
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case ctx.Done() == nil:
		return nil
	}
	w.t = s.head
	w.t.watched = true
	w.unregister = context.AfterFunc(ctx, func() {
		s.submit(func() {
			if !w.over && w.t.blockedIn != nil { // else it has what it waited for
				w.cancelled = true
				s.makeRunnable(w.t)
				w.t.pendFirst(pendingError{err: context.Cause(ctx), from: w})
			}
		})
	})
	return nil
}

// end stops the watch, and reports whether the context has ended the wait.
func (w *watch) end() bool {
	if w.t == nil || w.over {
		return w.cancelled
	}
	w.over = true
	w.t.watched = false
	w.unregister()
	// Something else may have ended the wait, and the cause pends still. It is not to end a
	// later wait.
	for i, m := range w.t.pending {
		if m.from == w {
			w.t.pending = slices.Delete(w.t.pending, i, i+1)
			w.cancelled = false
			break
		}
	}
	if len(w.t.pending) == 0 {
		w.t.pending = nil
	}
	return w.cancelled
}
