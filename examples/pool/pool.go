// Command pool counts the solutions of the n queens problem with a work-stealing scheduler of its
// own: tasks are coroutines that fork others and wait for them, on as many goroutines as
// there are processors. A task that waits is suspended, and any worker may resume it.
package main

import (
	"errors"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/go-greenlet/greenlet"
)

// A Task is a function that may fork others. Its result is added to the sum of the task that has
// forked it.
type Task struct {
	co     *greenlet.Coroutine[*Worker, struct{}] // nil: the root, which has no function
	worker *Worker                                // the worker that runs it; the task sets it when it is resumed
	parent *Task
	yield  func(struct{}) (*Worker, error)
	left   atomic.Int32 // number of its unfinished children, and one more while it runs itself; the worker that makes it 0 queues the task
	sum    atomic.Int64 // of the children's results; each child adds its own
	err    error        // of yield: the pool has ended
}

// A Worker runs tasks, one at a time: the last one of its own queue; and if that is empty, the
// first one of another worker's queue, since the oldest task is likely to be the largest.
type Worker struct {
	pool   *Pool
	mu     sync.Mutex // guards tasks
	tasks  []*Task    // the queue of ready tasks
	stolen int        // how many tasks it took from others; only its own goroutine writes it
}

// A Pool has the state that its workers share.
type Pool struct {
	workers []*Worker
	done    atomic.Bool           // the workers are to end; the worker that runs the last task, or one that fails, sets it
	tasks   atomic.Int64          // number of tasks that were forked
	failure atomic.Pointer[error] // the first error; nil: none. The compare-and-swap of a later one fails, and that one is dropped
}

// Run runs f, and all tasks that it forks, on n workers. It returns the result, the number of
// tasks, and how often a worker has taken a task from another one.
func Run(n int, f func(t *Task) int64) (result, tasks int64, stolen int, err error) {
	p := &Pool{workers: make([]*Worker, n)}
	for i := range p.workers {
		p.workers[i] = &Worker{pool: p}
	}
	root := &Task{worker: p.workers[0]} // it only receives the result
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
		for _, t := range w.tasks { // there are some only after a failure
			err = errors.Join(err, t.co.Stop())
		}
	}
	return root.sum.Load(), p.tasks.Load(), stolen, err
}

// Fork makes a task that runs f, and queues it on the worker of t.
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

// Wait suspends the task until the tasks that it has forked have ended, and returns the sum of
// their results. Any worker may resume it.
func (t *Task) Wait() int64 {
	w, err := t.yield(struct{}{})
	if err != nil {
		t.err = err // Stop was called, since the pool has failed
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
	greenlet.Current() // makes a root that lasts as long as this goroutine, instead of a new one for each task
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

// ready is called when a child of t has ended, and when t itself has begun to wait. The last of these
// calls queues t on w, or ends the pool if t is the root.
func (t *Task) ready(w *Worker) {
	switch {
	case t.left.Add(-1) > 0:
	case t.co == nil:
		w.pool.done.Store(true)
	default:
		w.push(t)
	}
}
