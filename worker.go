package greenlet

import (
	"runtime/debug"
	"sync/atomic"
	"unsafe"

	"github.com/go-greenlet/greenlet/internal/gort"
)

// A worker is a coroutine of the engine that runs one greenlet after the other.
type worker struct {
	ownCoro   gort.Coro  // coro points here, but on a lineEngine; the first field, see ownerOf
	th        *thread    // changed when the greenlet is moved to another tree
	coro      coro       // what the engine switches to
	size      int        // of its C stack in bytes, as WithStackSize said; 0: the default
	handle    attachment // on the portable engine, by which C finds the worker
	successor coro       // goes on when serve has returned; nil: another coroutine was chosen
	core      *core      // the greenlet that it runs or is to run; nil: it is idle
	retired   bool       // serve is to return
}

// ownerOf returns the worker whose ownCoro c is.
func ownerOf(c coro) *worker { return (*worker)(unsafe.Pointer(c)) }

var _ [0]byte = [unsafe.Offsetof(worker{}.ownCoro)]byte{} // it does not compile if that is not the first field

// minIdle is how many idle workers a tree keeps in any case, since to make one takes longer
// than to use one again. It keeps more only while as many greenlets live. (On the portable
// engine the thread keeps them after the tree's end, too.)
const minIdle = 64

// maxStackSize is the limit of a C stack's size in bytes; csrc/coro.h has the reasons.
const maxStackSize = 1 << 30

// A pool holds a thread's workers that run no greenlet.
type pool struct {
	idle    []*worker // the one that was used last at the end
	orphans []*worker // given up by orphan; freeOrphans frees them
}

// get takes an idle worker whose C stack was asked for with the same size, or makes one. Either is as a goroutine that
// the caller makes.
func (p *pool) get(th *thread, size int) (*worker, error) {
	last := len(p.idle) - 1
	for i := last; i >= 0; i-- {
		if w := p.idle[i]; w.size == size {
			if i != last {
				copy(p.idle[i:], p.idle[i+1:])
			}
			p.idle[last] = nil
			p.idle = p.idle[:last]
			if oneM {
				w.coro.Inherit()
			}
			if measuring.Load() {
				if n := engine.cStack(w.coro); n != 0 {
					trimStack(n)
				}
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

// trim retires idle workers, the longest idle first, until at most keep are left. by is the
// coroutine that calls, on the workers' thread; it is none of the idle ones.
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
	clear(old) // their array is in use until append makes another one
}

// orphan gives up a worker that will never go on although frames of its greenlet are still on
// its stacks. It may be the one that calls, so freeOrphans frees it, later.
func (p *pool) orphan(w *worker) {
	p.orphans = append(p.orphans, w)
}

// freeOrphans frees the workers that were given up. On the portable engine that cannot be
// done, and their stacks and Ms stay in memory.
func (p *pool) freeOrphans() {
	if p.orphans == nil {
		return
	}
	for _, w := range p.orphans {
		engine.destroy(w)
	}
	p.orphans = nil
}

// anyWorkerEntered says that a worker has run. On the portable engine that takes a call from C
// to Go, which the runtime lets in only when all packages of the program are initialised
// (main_init_done in cgocallbackg1, cgocall.go). So they are, and get need not ask again. Each
// worker sets it, and nothing clears it.
var anyWorkerEntered atomic.Bool

// serve runs the greenlets that the worker is given, one after the other, until it is retired.
func (w *worker) serve() {
	if !anyWorkerEntered.Load() {
		anyWorkerEntered.Store(true)
	}
	for !w.retired {
		var end message
		w.run(w.th.tree, &end)
		t := w.th.tree // not the one from before: the greenlet may have been moved
		if t.isLastGreenlet() {
			t.endLastGreenlet(w, &end)
			return
		}
		// The switch is made here, and not in a function, so that there is no return after it
		// that the processor predicts wrongly: see above asymmetric.fastTarget.
		to := t.endGreenlet(w, &end)
		if to == w.coro { // a pending parent starts on this very worker, which was idle again
			if oneM {
				to.Keep(t.carrier)
			}
			continue
		}
		if oneM && !raceEnabled && to.Plain() {
			to.Keep(t.carrier)
			if way, _ := t.carrier.SwitchFast(to); way != gort.Refused {
				continue
			}
		}
		engine.switchTo(w.th, w.coro, to)
	}
}

// Below a body, that is in run, executeRecovering and execute, frames are kept small: a new
// goroutine has a stack of 2 KiB (stackMin, stack.go), of which the runtime reserves nearly half
// (stackGuard), and to let that grow (newstack, copystack) takes longer than all else that a
// short greenlet does. TestANewStackNeedNotGrowForAShortLife watches it.

// run runs the greenlet that the worker was given, and writes its last message, which the
// heir is to get, to end. After a runtime.Goexit it does not return, and the worker ends.
func (w *worker) run(t *tree, end *message) {
	end.kind = kindGoexit
	returned := false
	endRegion := w.core.region()
	defer func() {
		endRegion()
		if gort.Labels() != nil {
			gort.SetLabels(nil) // the next greenlet has its own, and these may refer to much memory
		}
		if !returned {
			w.th.tree.endByGoexit(w, *end)
		}
	}()
	w.core.label()
	w.carrySlots(t)
	// The greenlet before may have changed what follows.
	debug.SetPanicOnFault(false)
	if oneM {
		w.th.carrier.Clean(w.coro)
	}
	w.core.executeRecovering(t, end)
	returned = true
}

// executeRecovering calls execute, and makes the message of a panic that it recovers. run
// returns then, unless the body was in runtime.Goexit when a deferred call panicked: in that
// case the Goexit goes on after the recover, and the heir gets the panic all the same.
func (c *core) executeRecovering(t *tree, end *message) {
	returned := false
	defer func() {
		if returned {
			return
		}
		if r := recover(); r != nil {
			*end = c.panicMessage(r)
		}
	}()
	c.execute(t, end)
	returned = true
}

// execute calls the body with the value that started the greenlet. If an error started it, as
// a Throw does, the greenlet ends with that and the body is not called.
func (c *core) execute(t *tree, end *message) {
	run := c.run
	c.run = nil
	var v any
	var err error
	switch {
	case c.isBody && c.asymmetric().takeFastResume(t) && t.gotPlainValue():
	case !c.isBody && t.gotPlainValue():
		v = t.takeValue()
	default:
		var ok bool
		if v, ok = t.firstMessage(end); !ok {
			return
		}
	}
	if c.isBody {
		v, err = nil, c.asymmetric().body.run()
	} else {
		v, err = run(v)
	}
	if err != nil {
		end.setError(err)
		return
	}
	end.kind = kindValue
	if v != nil {
		end.value = v
	}
}

// firstMessage returns the value with which a greenlet starts. Any other message ends the
// greenlet: then ok is false, and the message is written to end.
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

// setError makes m the last message of a body that has returned an error.
//
//go:noinline
func (m *message) setError(err error) { *m = errorMessage(err) }

// label gives the calling goroutine, on which c runs, the profiler labels of the goroutine
// that has made c, as a go statement does, and c's name.
func (c *core) label() {
	labels := c.labels
	if name := c.nameText(); name != "" {
		labels = gort.WithLabel(labels, "greenlet", name)
	}
	if labels != gort.Labels() {
		gort.SetLabels(labels)
	}
}
