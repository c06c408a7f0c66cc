package greenlet

import (
	"runtime/debug"
	"sync/atomic"

	"github.com/go-greenlet/greenlet/internal/gort"
	"github.com/go-greenlet/greenlet/internal/layer"
	"github.com/go-greenlet/greenlet/internal/leaf"
	"github.com/go-greenlet/greenlet/internal/place"
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
	idle []*worker
	lost []*worker // see abandon
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
	if !entered.Load() && gort.Initialising() {
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

// abandon gives up a worker that will never go on although frames of its greenlet
// are still there. It may be the running one, so it is freed later, by sweep.
func (p *pool) abandon(w *worker) {
	p.lost = append(p.lost, w)
}

// sweep frees the abandoned workers. On the portable engine that cannot be done: their
// stacks and Ms are lost.
func (p *pool) sweep() {
	for _, w := range p.lost {
		engine.discard(w)
	}
	p.lost = nil
}

// entered says that some worker has entered Go. The runtime lets no callback in before
// the program's packages are initialised (main_init_done in cgocallbackg1, cgocall.go),
// so they are.
var entered atomic.Bool

// serve is the worker's life: one greenlet after the other.
func (w *worker) serve() {
	if !entered.Load() {
		entered.Store(true)
	}
	for !w.retired {
		var end message
		w.run(w.th.tree, &end)
		t := w.th.tree // it may have been moved
		if t.last() {
			t.leaveLast(w, &end)
			return
		}
		// The switch is here, and not in a function: see the fields of hand.
		to := t.leave(w, &end)
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

// last says whether the tree will most likely end with its only greenlet: an implicit
// root's that nobody knows. No idle worker is needed then.
func (t *tree) last() bool {
	return t.free.Load() && t.many() == 1 && t.asked.Load() == askedNobody && len(t.th.pool.idle) == 0
}

// leaveLast is leave for a worker that ends with it.
func (t *tree) leaveLast(w *worker, end *message) {
	g := t.current
	t.endSections(end)
	t.die(g.c)
	w.core = nil
	target, m := t.deliver(g, *end)
	m.origin = g
	t.inbox = m
	t.enter(target)
	w.retirer = target.c.coro
}

// leave ends the current greenlet, which w has run: its last message goes to its
// heir, with which w is to go on.
func (t *tree) leave(w *worker, end *message) coro {
	g := t.current
	t.endSections(end)
	t.die(g.c)
	w.coro.Drop()
	if t.free.Load() {
		t.one.Clean(w.coro)
	}
	w.th.exceptions.lose() // a panic of Go's can have left catch blocks of C++ behind
	w.th.pool.put(w)
	target, m := t.deliver(g, *end)
	m.origin = g
	t.inbox = m
	t.enter(target)
	target.c.count()
	return target.c.coro
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
			w.th.tree.leaveForGood(w, *end)
		}
	}()
	w.core.label()
	w.carry(t)
	// Of whoever ran here before.
	debug.SetPanicOnFault(false)
	if oneM {
		w.th.one.Clean(w.coro)
	}
	w.core.recovering(t, end)
	returned = true
}

// recovering is execute with a recover around it. A recovered panic returns to
// run, unless the body was in runtime.Goexit when a deferred call panicked: that
// goes on then, and the panic is still what the heir gets.
func (c *core) recovering(t *tree, end *message) {
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
	v, ok := t.begins(end)
	var err error
	switch {
	case !ok:
		return
	case c.hand != nil:
		v, err = nil, c.hand.body.run()
	default:
		v, err = run(v)
	}
	end.be(v, err)
}

// begins takes the value with which a greenlet starts. If something else has come, it is
// its end.
//
//go:noinline
func (t *tree) begins(end *message) (v any, ok bool) {
	m, _ := t.take()
	switch m.kind {
	case kindValue:
		return m.value, true
	case kindError:
		m = failureMessage(m.err)
	}
	*end = m
	return nil, false
}

// be makes it the end of a body that has returned that.
//
//go:noinline
func (m *message) be(v any, err error) {
	if err == nil {
		*m = message{kind: kindValue, value: v}
	} else {
		*m = failureMessage(err)
	}
}

// leaveForGood is leave for a worker whose goroutine is in runtime.Goexit.
func (t *tree) leaveForGood(w *worker, m message) {
	g := t.current
	t.endSections(&m)
	t.die(g.c)
	t.busy |= busyChores // w is given up after that
	w.coro.Drop()
	target, m := t.deliver(g, m)
	m.origin = g
	t.inbox = m
	t.enter(target)
	target.c.count()
	engine.exit(w, target.c.coro)
}

// panicMessage makes of a recovered value what goes up to the parent. It is
// called while the stack that panicked still stands.
func (c *core) panicMessage(r any) message {
	switch r := r.(type) {
	case *PanicError: // on its way up already
		return message{kind: kindPanic, err: r}
	case thrown: // an error in an operation that has no error result
		return failureMessage(r.Err)
	}
	return message{kind: kindPanic, err: &PanicError{
		Value: r, Stack: debug.Stack(), ID: c.id, Name: c.called(), Body: place.Body(c.body),
	}}
}

// exits says whether err is an expected end: ErrExit, and nothing else besides. In
// errors.Join(ErrExit, f.Close()) there may be something that is not to be lost.
func exits(err error) bool { return leaf.All(err, ErrExit) }

// failureMessage is a death by err. One by ErrExit has not failed.
func failureMessage(err error) message {
	if exits(err) {
		return message{kind: kindValue, value: err}
	}
	return message{kind: kindError, err: err}
}

// thrown carries an error through MustSwitch, and next and a yield of an iterator.
type thrown = layer.Thrown

// label gives the goroutine that calls, c's, the profiler labels of whoever made c, as a
// go statement does, and c's name.
func (c *core) label() {
	labels := c.labels
	if name := c.called(); name != "" {
		labels = gort.WithLabel(labels, "greenlet", name)
	}
	if labels != gort.Labels() {
		gort.SetLabels(labels)
	}
}
