package greenlet

import (
	"runtime/debug"
	"sync/atomic"

	"github.com/go-greenlet/greenlet/internal/gort"
)

// A worker is a goroutine, with what its engine gives it besides, that runs one greenlet
// after the other.
type worker struct {
	one     gort.Coro // coro, on the engine of one M; first, since serve finds the worker by it
	th      *thread
	coro    coro
	size    int        // of its C stack, as asked for
	handle  attachment // portable engine: for C
	retirer coro       // other engines: who goes on after that
	core    *core      // whom it runs or is to run; nil while idle
	retired bool       // to return from serve
}

// minIdle is how many idle workers a tree keeps whatever happens (and on the portable
// engine its thread, after that), since to make one takes longer than to use one. It keeps
// more only while as many greenlets live.
const minIdle = 64

// maxStackSize is the limit of a C stack; csrc/coro.h has the reasons.
const maxStackSize = 1 << 30

// A pool holds a thread's idle workers, the last used at the end.
type pool struct {
	idle    []*worker
	orphans []*worker // see abandon
}

// get takes an idle worker of that size, or makes one.
func (p *pool) get(th *thread, size int) (*worker, error) {
	for i := len(p.idle) - 1; i >= 0; i-- {
		if w := p.idle[i]; w.size == size {
			last := len(p.idle) - 1
			copy(p.idle[i:], p.idle[i+1:])
			p.idle[last] = nil
			p.idle = p.idle[:last]
			if n := engine.cStack(w.coro); n != 0 && measuring.Load() {
				trimStack(n)
			}
			return w, nil
		}
	}
	if size < 0 || size > maxStackSize {
		return nil, errStackSize
	}
	if !anyWorkerEntered.Load() && gort.Initialising() {
		return nil, errInit
	}
	w := &worker{th: th, size: size}
	if err := engine.newWorker(w); err != nil {
		return nil, err
	}
	return w, nil
}

func (p *pool) put(w *worker) {
	w.core = nil
	p.idle = append(p.idle, w)
}

// trim retires idle workers, the longest idle first, until at most keep are left.
// by runs on their thread and is none of them.
func (p *pool) trim(keep int, by coro) {
	n := len(p.idle) - keep
	if n <= 0 {
		return
	}
	old := p.idle[:n]
	p.idle = p.idle[n:]
	for _, w := range old {
		engine.retire(w, by)
	}
	clear(old) // the array stays until p.idle outgrows it
}

// orphan gives up a worker that will never go on although frames of its greenlet
// are still there. It may be the running one, so it is freed later, by sweep.
func (p *pool) orphan(w *worker) {
	p.orphans = append(p.orphans, w)
}

// freeOrphans frees the abandoned workers. On the portable engine that cannot be done: their
// stacks and Ms are lost.
func (p *pool) freeOrphans() {
	for _, w := range p.orphans {
		engine.destroy(w)
	}
	p.orphans = nil
}

// anyWorkerEntered says that some worker has entered Go. The runtime lets no callback in before
// the program's packages are initialised (main_init_done in cgocallbackg1, cgocall.go),
// so they are.
var anyWorkerEntered atomic.Bool

// serve is the worker's life: one greenlet after the other.
func (w *worker) serve() {
	if !anyWorkerEntered.Load() {
		anyWorkerEntered.Store(true)
	}
	for !w.retired {
		var end message
		w.run(w.th.tree, &end)
		t := w.th.tree // it may have been moved
		if t.isLastGreenlet() {
			t.endLastGreenlet(w, &end)
			return
		}
		// The switch is here, and not in a function: see the fields of hand.
		to := t.endGreenlet(w, &end)
		if to == w.coro { // a pending parent starts on this very worker
			continue
		}
		if oneM && !raceEnabled && to.Plain() {
			to.Keep(t.one)
			if way, _ := t.one.SwitchFast(to); way != gort.Refused {
				continue
			}
		}
		engine.switchTo(w.th, w.coro, to)
	}
}

// Under a body, that is in run, recovering and execute, the frames are to be small: a new
// goroutine has a stack of 2 KiB, of which the runtime keeps half, and to let it grow takes
// longer than all else.

// run runs the greenlet that the worker was given, and puts into end what that says
// to its heir. After a runtime.Goexit the worker never goes on.
func (w *worker) run(t *tree, end *message) {
	end.kind = kindGoexit
	returned := false
	leave := w.core.region()
	defer func() {
		leave()
		gort.SetLabels(nil) // the goroutine is to be another's, and the labels may be large
		if !returned {
			w.th.tree.endByGoexit(w, *end)
		}
	}()
	w.core.label()
	w.carrySlots(t)
	// Of whoever ran here before.
	debug.SetPanicOnFault(false)
	if oneM {
		w.th.one.Clean(w.coro)
	}
	w.core.executeRecovering(t, end)
	returned = true
}

// executeRecovering is execute with a recover around it. A recovered panic returns to
// run, unless the body was in runtime.Goexit when a deferred call panicked: that
// goes on then, and the panic is still what the heir gets.
func (c *core) executeRecovering(t *tree, end *message) {
	defer func() {
		if r := recover(); r != nil {
			*end = c.panicMessage(r)
		}
	}()
	c.execute(t, end)
}

// execute calls the body with what started the greenlet. A Throw that started it
// is its end.
func (c *core) execute(t *tree, end *message) {
	run := c.run
	c.run = nil
	v, ok := t.firstMessage(end)
	var err error
	switch {
	case !ok:
		return
	case c.asym != nil:
		v, err = nil, c.asym.body.run()
	default:
		v, err = run(v)
	}
	end.setResult(v, err)
}

// firstMessage takes the value with which a greenlet starts. If something else has come, it is
// its end.
//
//go:noinline
func (t *tree) firstMessage(end *message) (v any, ok bool) {
	m, _ := t.receive()
	switch m.kind {
	case kindValue:
		return m.value, true
	case kindError:
		m = errorMessage(m.err)
	}
	*end = m
	return nil, false
}

// setResult makes it the end of a body that has returned that.
//
//go:noinline
func (m *message) setResult(v any, err error) {
	if err == nil {
		*m = message{kind: kindValue, value: v}
	} else {
		*m = errorMessage(err)
	}
}

// label gives the goroutine that calls, c's, the profiler labels of whoever made c, as a
// go statement does, and c's name.
func (c *core) label() {
	labels := c.labels
	if name := c.nameText(); name != "" {
		labels = gort.WithLabel(labels, "greenlet", name)
	}
	if labels != gort.Labels() {
		gort.SetLabels(labels)
	}
}
