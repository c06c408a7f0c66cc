package tasklet

import (
	"context"
	"fmt"
	"slices"
)

// A watch has the operation in which a tasklet is about to block return the context's
// cause when the context is done. What it tells is for one that is blocked, so nothing
// may be collected between its beginning and the block.
type watch struct {
	t          *Tasklet
	unregister func() bool
	over       bool
	cancelled  bool
}

// begin begins it. end is to be called in any case.
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

// end ends it, and says whether the context has ended the operation.
func (w *watch) end() bool {
	if w.t == nil || w.over {
		return w.cancelled
	}
	w.over = true
	w.t.watched = false
	w.unregister()
	// Something else can have come first: the context ends nothing any more.
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
