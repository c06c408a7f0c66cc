//go:build cgo && linux

package greenlet_test

import (
	"math/rand/v2"
	"os"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-greenlet/greenlet"
	"github.com/go-greenlet/greenlet/internal/cgotest"
)

// What a body does, and what becomes of it, when other goroutines go on with it.

// What ends in a body that was moved comes out where it is used now.
func TestEndsOfWhatWasMoved(t *testing.T) {
	needsFree(t)
	begin := func(body func(yield func(int) bool)) (next func() (int, bool), stop func()) {
		onGoroutine(func() {
			next, stop = greenlet.Pull(body)
			v, ok := next()
			assert.True(t, ok)
			assert.Equal(t, 0, v)
		})
		onGoroutine(func() {
			v, ok := next()
			assert.True(t, ok)
			assert.Equal(t, 1, v)
		})
		return next, stop
	}
	yields := func(yield func(int) bool) { _ = yield(0) && yield(1) }
	t.Run("a panic of the body", func(t *testing.T) {
		next, _ := begin(func(yield func(int) bool) { yields(yield); panic(errSome) })
		onGoroutine(func() { assert.Equal(t, errSome, recovered(func() { next() })) })
		_, ok := next()
		assert.False(t, ok)
	})
	t.Run("a panic of a child", func(t *testing.T) {
		var heard any
		next, _ := begin(func(yield func(int) bool) {
			me := greenlet.Current()
			child := greenlet.New(func(any) (any, error) {
				_, _ = me.Switch(nil)
				panic(errSome)
			})
			value(t, nil)(child.Switch(nil))
			yields(yield)
			heard = recovered(func() { _, _ = child.Switch(nil) })
			yield(2)
		})
		onGoroutine(func() {
			v, _ := next()
			assert.Equal(t, 2, v)
			_, ok := next()
			assert.False(t, ok)
		})
		p, _ := heard.(*greenlet.PanicError)
		require.NotNil(t, p)
		assert.Equal(t, errSome, p.Value)
	})
	t.Run("Goexit", func(t *testing.T) {
		next, _ := begin(func(yield func(int) bool) { yields(yield); runtime.Goexit() })
		exited := true
		onGoroutine(func() { next(); exited = false })
		assert.True(t, exited)
		_, ok := next()
		assert.False(t, ok)
	})
	t.Run("stop and Kill", func(t *testing.T) {
		var ended []string
		_, stop := begin(func(yield func(int) bool) {
			defer func() { ended = append(ended, "body") }()
			me := greenlet.Current()
			child := greenlet.New(func(any) (any, error) {
				defer func() { ended = append(ended, "child") }()
				return me.Switch(nil)
			})
			value(t, nil)(child.Switch(nil))
			defer func() {
				assert.NoError(t, child.Kill())
				assert.True(t, child.Dead())
			}()
			yields(yield)
		})
		onGoroutine(stop)
		assert.Equal(t, []string{"child", "body"}, ended)
	})
	t.Run("Kill by another one of the tree", func(t *testing.T) {
		var me *greenlet.Greenlet
		next, _ := begin(func(yield func(int) bool) {
			me = greenlet.Current()
			yields(yield)
		})
		onGoroutine(func() {
			killer := greenlet.New(func(any) (any, error) { return nil, me.Kill() })
			value(t, nil)(killer.Switch(nil))
		})
		assert.True(t, me.Dead())
		_, ok := next()
		assert.False(t, ok)
	})
}

// Workers hand their tasks on in a ring, and each has a tracer, which hears of its own
// switches and of no other ones.
func TestTracersOfWorkersThatHandTasksOn(t *testing.T) {
	needsFree(t)
	const workers, tasks, yields = 4, 40, 24
	type task struct {
		c    *greenlet.Coroutine[int, int]
		want int
	}
	var queues [workers]chan *task
	for i := range queues {
		queues[i] = make(chan *task, tasks)
	}
	for i := range tasks {
		queues[i%workers] <- &task{c: greenlet.NewCoroutine(accumulator)}
	}
	var left atomic.Int64
	left.Store(tasks)
	var all sync.WaitGroup
	for i := range workers {
		all.Add(1)
		go func() {
			defer all.Done()
			root := greenlet.Current()
			var to, from, resumes int
			greenlet.SetTrace(func(_ greenlet.Event, origin, target *greenlet.Greenlet) {
				assert.Same(t, target, greenlet.Current())
				switch {
				case target == root:
					from++
				case origin == root:
					to++
				}
			})
			defer func() { greenlet.SetTrace(nil) }()
			for k := range queues[i] {
				resumes++
				out, ok, err := k.c.Resume(1)
				assert.NoError(t, err)
				assert.True(t, ok)
				k.want++
				assert.Equal(t, k.want, out)
				if k.want < yields {
					queues[(i+1)%workers] <- k
				} else if left.Add(-1) == 0 {
					for _, q := range queues {
						close(q)
					}
				}
			}
			assert.NotZero(t, resumes)
			assert.Equal(t, resumes, to)
			assert.Equal(t, resumes, from)
		}()
	}
	all.Wait()
}

// Random programs. There is one token: whoever has it makes a step, and gives it to another
// goroutine. So everything is taken over at each step, and nothing is to be refused but what
// is suspended in C. Goroutines end in the midst of it.
func TestTakeOverAtEveryStep(t *testing.T) {
	needsFree(t)
	programs, steps := 12, 400
	if testing.Short() {
		programs, steps = 2, 150
	}
	if n, err := strconv.Atoi(os.Getenv("GREENLET_PROGRAMS")); err == nil {
		programs = n
	}
	seed := rand.Uint64()
	for i := range programs {
		p := &handedOn{t: t, r: rand.New(rand.NewPCG(seed, uint64(i)))}
		p.run(steps)
		if t.Failed() {
			t.Fatalf("seed %d, program %d", seed, i)
		}
	}
}

type handedOn struct {
	t       *testing.T
	r       *rand.Rand
	all     []*series
	refused int
}

// A series counts: from goroutine to goroutine, and in C on one and the same.
type series struct {
	next  func() (int, bool)
	stop  func()
	want  int
	in    int  // the goroutine on which it is suspended in C, or 0
	inC   bool // the body says where it is
	ended bool
}

func (p *handedOn) run(steps int) {
	const workers = 4
	type worker struct {
		id    int
		steps chan func(id int)
		ended chan bool
	}
	lastID := 0
	begin := func() *worker {
		lastID++
		w := &worker{id: lastID, steps: make(chan func(int)), ended: make(chan bool)}
		go func() {
			defer close(w.ended)
			for f := range w.steps {
				f(w.id)
			}
		}()
		return w
	}
	var at [workers]*worker
	for i := range at {
		at[i] = begin()
	}
	for range steps {
		i := p.r.IntN(workers)
		if p.r.IntN(20) == 0 { // what is in C there dies, or has died
			close(at[i].steps)
			<-at[i].ended
			for _, s := range p.all {
				if s.in == at[i].id {
					s.ended = true
				}
			}
			at[i] = begin()
		}
		done := make(chan bool)
		at[i].steps <- func(id int) {
			defer close(done)
			p.step(id)
		}
		<-done
		if p.t.Failed() {
			return
		}
		if p.r.IntN(50) == 0 {
			runtime.GC()
		}
	}
	for i := range at {
		close(at[i].steps)
		<-at[i].ended
	}
}

func (p *handedOn) step(id int) {
	k := p.r.IntN(12)
	if len(p.all) < 3 || k == 0 && len(p.all) < 40 {
		p.all = append(p.all, p.series(0))
		return
	}
	i := p.r.IntN(len(p.all))
	s := p.all[i]
	if s.ended {
		p.all = append(p.all[:i], p.all[i+1:]...)
		return
	}
	call := func(f func()) bool {
		err := recovered(f)
		if s.in == 0 || s.in == id {
			assert.Nil(p.t, err)
			return err == nil
		}
		e, _ := err.(error)
		p.refused++
		return !assert.ErrorIs(p.t, e, greenlet.ErrWrongThread)
	}
	switch k {
	case 1:
		if call(s.stop) {
			s.ended = true
			_, ok := s.next()
			assert.False(p.t, ok)
		}
	case 2: // from a greenlet that lives only for this
		g := greenlet.New(func(any) (any, error) {
			p.advance(s, id, call)
			return nil, nil
		})
		_, err := g.Switch(nil)
		assert.NoError(p.t, err)
	case 3: // in a call from C, whose goroutine was a root before: else the tree is the thread's
		greenlet.Current()
		cgotest.Call(func() { p.advance(s, id, call) })
	default:
		p.advance(s, id, call)
	}
}

func (p *handedOn) advance(s *series, id int, call func(func()) bool) {
	if !call(func() {
		v, ok := s.next()
		assert.True(p.t, ok)
		assert.Equal(p.t, s.want, v)
	}) {
		return
	}
	s.want++
	s.in = 0
	if s.inC {
		s.in = id
	}
}

func (p *handedOn) series(depth int) *series {
	s := &series{}
	r := rand.New(rand.NewPCG(p.r.Uint64(), 0))
	s.next, s.stop = greenlet.Pull(func(yield func(int) bool) {
		me := greenlet.Current()
		var child *greenlet.Greenlet
		var inner *series
		for i := 0; ; i++ {
			more := true
			switch k := r.IntN(10); {
			case k == 0 && depth == 0:
				s.inC = true
				cgotest.Call(func() { more = yield(i) })
				s.inC = false
			case k == 1:
				if child == nil || child.Dead() {
					child = greenlet.New(func(v any) (any, error) {
						for range 3 {
							var err error
							if v, err = me.Switch(v); err != nil {
								return nil, err
							}
						}
						return v, nil
					})
				}
				v, err := child.Switch(i)
				more = assert.NoError(p.t, err) && yield(v.(int))
			case k == 2 && depth < 2:
				if inner == nil {
					inner = p.series(depth + 1)
					defer inner.stop()
				}
				v, ok := inner.next()
				assert.True(p.t, ok)
				assert.Equal(p.t, inner.want, v)
				inner.want++
				more = yield(i)
			case k == 3:
				cgotest.Call(func() { runtime.Gosched() })
				more = yield(i)
			case k == 4: // a greenlet that yields in its place
				g := greenlet.New(func(any) (any, error) { return me, nil })
				v, err := g.Switch(nil)
				more = assert.NoError(p.t, err) && assert.Same(p.t, me, v) && yield(i)
			case k == 5:
				more = deepen(r.IntN(60)) == 0 && yield(i)
			default:
				more = yield(i)
			}
			if !more {
				return
			}
		}
	})
	return s
}
