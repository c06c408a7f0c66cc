// Command pool counts the solutions of the n queens with a work-stealing scheduler of its
// own: tasks are coroutines that fork others and wait for them, on as many goroutines as
// there are processors. A task that waits is suspended, and goes on wherever there is room.
package main

import (
	"errors"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/go-greenlet/greenlet"
)

// A Task is a function that may fork others. Its result goes to whoever has forked it.
type Task struct {
	co     *greenlet.Coroutine[*Worker, struct{}]
	worker *Worker // on which it runs
	parent *Task
	yield  func(struct{}) (*Worker, error)
	left   atomic.Int32 // of its children, and one more while it runs
	sum    atomic.Int64 // of the children's results
	err    error
}

// A Worker runs tasks, one at a time: its own, the last one first; else one of another
// worker's, the first one, which is likely to be the largest.
type Worker struct {
	pool   *Pool
	mu     sync.Mutex
	tasks  []*Task
	stolen int
}

// A Pool has the workers.
type Pool struct {
	workers []*Worker
	done    atomic.Bool
	tasks   atomic.Int64
	failure atomic.Pointer[error]
}

// Run runs f, and all that it forks, on n workers. It returns the result, the number of
// tasks, and how often a worker has taken one from another.
func Run(n int, f func(t *Task) int64) (result, tasks int64, stolen int, err error) {
	p := &Pool{workers: make([]*Worker, n)}
	for i := range p.workers {
		p.workers[i] = &Worker{pool: p}
	}
	root := &Task{worker: p.workers[0]} // for the result; it has nothing to run
	root.Fork(f)
	var all sync.WaitGroup
	for _, w := range p.workers {
		all.Add(1)
		go func() {
			defer all.Done()
			w.run()
		}()
	}
	all.Wait()
	if failure := p.failure.Load(); failure != nil {
		err = *failure
	}
	for _, w := range p.workers {
		stolen += w.stolen
		for _, t := range w.tasks { // after a failure
			err = errors.Join(err, t.co.Stop())
		}
	}
	return root.sum.Load(), p.tasks.Load(), stolen, err
}

// Fork makes a task that any worker may run.
func (t *Task) Fork(f func(t *Task) int64) {
	t.left.Add(1)
	t.worker.pool.tasks.Add(1)
	child := &Task{parent: t}
	child.co = greenlet.NewCoroutine(func(yield func(struct{}) (*Worker, error), w *Worker) error {
		child.worker, child.yield = w, yield
		sum := f(child)
		t.sum.Add(sum)
		return child.err
	})
	t.worker.push(child)
}

// Wait suspends the task until those that it has forked have ended, and returns the sum of
// their results. It goes on on any worker.
func (t *Task) Wait() int64 {
	w, err := t.yield(struct{}{})
	if err != nil {
		t.err = err // the pool ends
		return 0
	}
	t.worker = w
	return t.sum.Swap(0)
}

func (w *Worker) push(t *Task) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.tasks = append(w.tasks, t)
}

func (w *Worker) pop() (t *Task) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if last := len(w.tasks) - 1; last >= 0 {
		t, w.tasks = w.tasks[last], w.tasks[:last]
	}
	return t
}

func (w *Worker) steal() *Task {
	for _, from := range w.pool.workers {
		if from == w || !from.mu.TryLock() {
			continue
		}
		var t *Task
		if len(from.tasks) > 0 {
			t, from.tasks = from.tasks[0], from.tasks[1:]
		}
		from.mu.Unlock()
		if t != nil {
			w.stolen++
			return t
		}
	}
	return nil
}

func (w *Worker) run() {
	greenlet.Current() // one root for all that it runs
	for !w.pool.done.Load() {
		t := w.pop()
		if t == nil {
			t = w.steal()
		}
		if t == nil {
			runtime.Gosched()
			continue
		}
		t.left.Add(1)
		_, waits, err := t.co.Resume(w)
		switch {
		case waits:
			t.ready(w)
		case err != nil:
			w.pool.failure.CompareAndSwap(nil, &err)
			w.pool.done.Store(true)
		default:
			t.parent.ready(w)
		}
	}
}

// ready notes that a child has ended, or that t waits now. The last of them makes it go on.
func (t *Task) ready(w *Worker) {
	switch {
	case t.left.Add(-1) > 0:
	case t.co == nil:
		w.pool.done.Store(true)
	default:
		w.push(t)
	}
}
