package greenlet_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"weak"

	"github.com/stretchr/testify/assert"

	"github.com/go-greenlet/greenlet"
	"github.com/go-greenlet/greenlet/internal/cgotest"
	"github.com/go-greenlet/greenlet/internal/handle"
	"github.com/go-greenlet/greenlet/internal/model"
	"github.com/go-greenlet/greenlet/tasklet"
)

// The tests in this file mix all that there is by random programs: greenlets, iterators,
// coroutines, tasklets and channels, on one goroutine or two, with C frames in between.
// Nobody says what exactly is to happen, but much is never to: a crash, a hang, an error
// of no known kind, a value that was not sent, or that arrives twice, a greenlet that
// outlives its Run.

// mixOps are the operations: how often each is taken, and what it does with its digits.
// Those from "tasklets" on are for programs that have tasklets.
var mixOps = []struct {
	letter byte
	often  int
	what   string
}{
	{'n', 6, "slot A gets a new greenlet, parent B; C 4: hub, 5: deferred step, 6: in C, 7: no function"},
	{'s', 12, "switch to A"},
	{'t', 4, "throw B at A"},
	{'k', 3, "kill A"},
	{'P', 3, "set the parent of A to B"},
	{'c', 4, "slot A gets the current greenlet"},
	{'d', 1, "slot A gets nil"},
	{'r', 2, "return"},
	{'e', 2, "return error B"},
	{'p', 1, "panic B"},
	{'x', 1, "goexit"},
	{'i', 5, "iterator A is a new Pull, if B is odd a Pull2; if C is 6 in C"},
	{'y', 14, "yield, in the body of an iterator or coroutine"},
	{'Y', 1, "call the yield of iterator A, out of place"},
	{'N', 10, "next of iterator A"},
	{'S', 3, "stop of iterator A"},
	{'o', 4, "coroutine A is new"},
	{'R', 10, "resume coroutine A"},
	{'Q', 2, "stop coroutine A"},
	{'T', 1, "tracer on, if A is odd; it takes a step, if B is odd"},
	{'g', 1, "collect, one time out of many"},
	{'O', 5, "post a step to A's tree, if B is odd from a goroutine of its own"},
	{'F', 3, "misuse what the other goroutine has"},
	{'G', 10, "tasklets: A is a new one; if B is odd, it is not scheduled"},
	{'M', 5, "Run, if A is odd at most B switches"},
	{'h', 9, "Schedule; if A is 7, ScheduleRemove"},
	{'J', 4, "insert A, if B is below 4; else run it, or switch to it"},
	{'K', 3, "kill tasklet A, if B is even; else throw; if C is odd, later"},
	{'C', 2, "channel A is new"},
	{'<', 6, "receive from A"},
	{'>', 6, "send to A, if B is 7 an error"},
	{'X', 1, "close A, or open it"},
	{'A', 1, "Await"},
}

func mixOp(n int, tasklets bool) byte {
	total := 0
	for pass := 0; ; pass++ {
		for _, op := range mixOps {
			if !tasklets && op.letter == 'G' {
				break
			}
			if pass == 0 {
				total += op.often
			} else if n -= op.often; n < 0 {
				return op.letter
			}
		}
		n %= total
	}
}

func isMixOp(b byte) bool {
	for _, op := range mixOps {
		if op.letter == b {
			return true
		}
	}
	return false
}

// A mixed is a program. Its text begins with two digits, whether it is on two goroutines
// and whether Run is left out; the steps follow.
type mixed struct {
	two, bare bool
	steps     model.Program
}

func randomMix(r *rand.Rand) mixed {
	p := mixed{two: r.IntN(6) == 0}
	p.bare = !p.two && r.IntN(12) == 0 // what a released root has left may be used by others
	tasklets := r.IntN(2) == 0
	slots := 2 + r.IntN(6)
	theme := mixOp(r.IntN(1<<20), tasklets)
	for range 8 + r.IntN(80) {
		s := model.Step{Op: mixOp(r.IntN(1<<20), tasklets), A: r.IntN(slots), B: r.IntN(8), C: r.IntN(8)}
		if r.IntN(6) == 0 && theme != 'x' && theme != 'g' {
			s.Op = theme
		}
		p.steps = append(p.steps, s)
	}
	return p
}

func (p mixed) text() string {
	head := []byte("00 ")
	if p.two {
		head[0] = '1'
	}
	if p.bare {
		head[1] = '1'
	}
	return string(head) + p.steps.Text()
}

// parseMix makes a program of any bytes.
func parseMix(text []byte) (p mixed) {
	text = slices.DeleteFunc(slices.Clone(text), func(b byte) bool { return b == ' ' })
	if len(text) < 2 {
		return p
	}
	p.two = text[0]&1 != 0
	p.bare = !p.two && text[1]&1 != 0
	for text = text[2:]; len(text) >= 4 && len(p.steps) < maxSteps; text = text[4:] {
		op := text[0]
		if !isMixOp(op) {
			op = mixOp(int(op), true)
		}
		p.steps = append(p.steps, model.Step{Op: op, A: int(text[1] & 7), B: int(text[2] & 7), C: int(text[3] & 7)})
	}
	return p
}

// What a program throws, panics with, sends, and pulls from. Each value that is sent is
// another one, and arrives once at most; what is yielded is a number that says by whom,
// and the next one is greater.
type (
	mixError  struct{ n int }
	mixPanic  struct{ n int }
	mixValue  struct{ by *mixer }
	iteration struct {
		next  func() (v int, ok bool)
		stop  func()
		yield func(int) bool
		id    int
		last  int // yielded
		got   int // by next
	}
	coroutine struct {
		c            *greenlet.Coroutine[int, int]
		id           int
		given, taken int // handed in, and what has arrived
		last, got    int // handed out, and what has arrived
	}
)

func (e *mixError) Error() string { return fmt.Sprint("error ", e.n) }

// A mixer plays a program's part on one goroutine.
type mixer struct {
	steps     model.Program
	next, end int
	slots     [8]*greenlet.Greenlet
	iters     [8]*iteration
	coros     [8]*coroutine
	tasklets  [8]*tasklet.Tasklet
	channels  [8]*tasklet.Channel[*mixValue]
	values    map[*mixValue]bool // those on their way
	made      []weak.Pointer[greenlet.Greenlet]
	serial    int
	nils      bool // there are others than greenlets: their ends, and their switches, are nil
	traced    bool // there was a tracer, or a post: more can come between a switch and its return
	posted    bool // there was a post: an operation inside another one can come before it
	armed     bool
	goexits   int
	wrong     []string
	log       []string

	// What the other goroutine may take and misuse.
	mu     sync.Mutex
	shared []any
	other  *mixer
}

func (m *mixer) fail(format string, args ...any) {
	m.wrong = append(m.wrong, fmt.Sprintf("step %d: ", m.next-1)+fmt.Sprintf(format, args...))
}

func (m *mixer) value() *mixValue {
	v := &mixValue{m}
	m.values[v] = true
	return v
}

// arrives checks a value that a Switch has returned, or that a body begins with.
func (m *mixer) arrives(v any) {
	switch v := v.(type) {
	case *mixValue:
		if !m.values[v] && v.by == m { // else it was posted by the other one
			m.fail("a value arrives twice, or from nowhere")
		}
		delete(m.values, v)
	case error:
		if !errors.Is(v, greenlet.ErrExit) {
			m.fail("arrives as a value: %v", v)
		}
	default:
		if v != nil || !m.nils {
			m.fail("arrives: %v", v)
		}
	}
}

// said is the texts of the errors that have no name.
var said = []string{
	"called while the coroutine runs", "still waits for the coroutine", "nobody waits for what",
	"somebody else switched to the caller", "goes on by its own next or Resume only", "outside of its body",
	"answered ErrExit by going on", "called runtime.Goexit", "a root ends with its goroutine",
	"the parent is nil", "the greenlet is nil", "too many greenlets were started by deaths",
	"past the scheduler", "in its own end", "was not made by NewChannel", "it is in no tree",
}

// sentinels are the errors that have one.
var sentinels = []error{
	greenlet.ErrExit, greenlet.ErrWrongThread, greenlet.ErrThreadExited, greenlet.ErrCyclicParent, greenlet.ErrRootParent,
	greenlet.ErrNoRun, tasklet.ErrDead, tasklet.ErrBlocked, tasklet.ErrCurrent, tasklet.ErrClosed, tasklet.ErrStop,
	tasklet.ErrBlockTrap, tasklet.ErrSwitchTrap,
}

func (m *mixer) known(v any) {
	switch e := v.(type) {
	case nil, mixPanic, *mixError, *tasklet.DeadlockError:
		return
	case *greenlet.PanicError:
		if len(e.Stack) == 0 {
			m.fail("a panic without a stack: %v", e.Value)
		}
		if _, ok := e.Value.(runtime.Error); ok {
			m.fail("%v", e)
		}
		m.known(e.Value)
		return
	case runtime.Error:
		m.fail("%s", debug.Stack())
	case interface{ Unwrap() []error }:
		for _, e := range e.Unwrap() {
			m.known(e)
		}
		return
	case error:
		if slices.Contains(sentinels, e) {
			return
		}
		if inner := errors.Unwrap(e); inner != nil {
			m.known(inner)
			return
		}
		if slices.ContainsFunc(said, func(s string) bool { return strings.Contains(e.Error(), s) }) {
			return
		}
	}
	m.fail("an unknown %T: %v", v, v)
}

// An actor is whose body takes a step.
type actor struct {
	name  string
	yield func() error // in the body of an iterator or a coroutine
}

func (m *mixer) take() (model.Step, bool) {
	if m.next >= m.end {
		return model.Step{}, false
	}
	m.next++
	return m.steps[m.next-1], true
}

// live is a body: it takes steps until it is to end.
func (m *mixer) live(a *actor) (v any, err error) {
	for {
		s, ok := m.take()
		if !ok {
			return m.value(), nil
		}
		if done, v, err := m.do(a, s); done {
			return v, err
		}
	}
}

// do takes a step, in C if that is to be, and reacts to what comes back.
func (m *mixer) do(a *actor, s model.Step) (done bool, v any, err error) {
	m.log = append(m.log, fmt.Sprintf("%3d %s %c%d%d%d", m.next-1, a.name, s.Op, s.A, s.B, s.C))
	returned := false
	defer func() {
		if returned || s.C >= 5 {
			return // the panic goes on
		}
		if r := recover(); r != nil {
			m.known(r)
			if e, ok := r.(error); ok && s.C >= 3 {
				done, err = true, e
			}
		}
	}()
	if s.C == 2 && strings.IndexByte("nio", s.Op) < 0 {
		callC(func() { done, v, err = m.step(a, s) })
	} else {
		done, v, err = m.step(a, s)
	}
	returned = true
	if !done && err != nil {
		m.known(err)
		done = s.C >= 3 || errors.Is(err, greenlet.ErrExit) && s.C >= 1
	}
	return done && a.name != "root", v, err
}

func (m *mixer) failure(b int) error {
	if b >= 6 {
		return greenlet.ErrExit
	}
	return &mixError{b}
}

func (m *mixer) step(a *actor, s model.Step) (done bool, v any, err error) {
	g := m.slots[s.A]
	switch s.Op {
	case 'n':
		m.create(s)
	case 's':
		if g == nil {
			break
		}
		if v, err = g.Switch(m.value()); err == nil {
			m.arrives(v)
		}
	case 't':
		if g == nil {
			break
		}
		if v, err = g.Throw(m.failure(s.B)); err == nil {
			m.arrives(v)
		}
	case 'k':
		if g != nil {
			err = g.Kill()
		}
	case 'P':
		if g != nil {
			m.known(g.SetParent(m.slots[s.B]))
			g.Parent()
		}
	case 'c':
		m.slots[s.A] = greenlet.Current()
	case 'd':
		m.slots[s.A] = nil
	case 'r':
		return true, m.value(), nil
	case 'e':
		return true, nil, m.failure(s.B)
	case 'p':
		panic(mixPanic{s.B})
	case 'x':
		if lost > maxLost && !oneM() || a.name == "root" {
			break
		}
		if m.goexits++; m.goexits < 3 {
			runtime.Goexit()
		}
	case 'i':
		m.iterate(s)
	case 'y':
		if a.yield != nil {
			err = a.yield()
		}
	case 'Y':
		it := m.iters[s.A]
		if it != nil && it.yield != nil && a.name != fmt.Sprint("iterator ", it.id) && a.name != "tracer" &&
			!strings.HasPrefix(a.name, "post") {
			if it.yield(-1) {
				m.fail("a yield out of place returns true")
			}
		}
	case 'N':
		if it := m.iters[s.A]; it != nil {
			if v, ok := it.next(); ok && !m.follows(it.id, it.got, v, it.last) || !ok && v != 0 {
				m.fail("next returns %x, %v, last yielded is %x", v, ok, it.last)
			} else if ok {
				it.got = v
			}
		}
	case 'S':
		if it := m.iters[s.A]; it != nil {
			it.stop()
		}
	case 'o':
		m.coroutine(s)
	case 'R':
		if c := m.coros[s.A]; c != nil {
			m.serial++
			c.given = c.id<<20 | m.serial
			out, ok, e := c.c.Resume(c.given)
			if ok && (!m.follows(c.id, c.got, out, c.last) || e != nil) || !ok && out != 0 {
				m.fail("Resume returns %x, %v, %v, last yielded is %x", out, ok, e, c.last)
			} else if ok {
				c.got = out
			}
			err = e
		}
	case 'Q':
		if c := m.coros[s.A]; c != nil {
			err = c.c.Stop()
		}
	case 'T':
		m.trace(s)
	case 'g':
		if s.A+s.B+s.C == 0 {
			runtime.GC()
		}
	case 'O':
		m.serial++
		m.post(g, &actor{name: fmt.Sprint("post ", m.serial)}, s.B&1 != 0)
	case 'F':
		m.misuse(s)
	default:
		err = m.taskletStep(a, s)
	}
	return false, nil, err
}

// follows says whether v may come after got from who yields with that number, and has
// yielded last.
func (m *mixer) follows(id, got, v, last int) bool {
	return v == last || m.traced && v>>20 == id && got < v && v < last
}

// post has a step taken in g's tree, whether as a tasklet or not.
func (m *mixer) post(g *greenlet.Greenlet, a *actor, elsewhere bool) {
	m.traced, m.posted = true, true
	post := func() error {
		return g.Post(func() {
			if s, ok := m.take(); ok {
				_, _, err := m.do(a, s)
				m.known(err)
			}
		})
	}
	switch {
	case g == nil:
	case elsewhere:
		var err error
		onGoroutine(func() { err = post() })
		m.known(err)
	default:
		m.known(post())
	}
}

func (m *mixer) create(s model.Step) {
	if old := m.slots[s.A]; s.A == 0 || old != nil && old.Active() && s.B < 6 {
		return
	}
	m.serial++
	a := &actor{name: fmt.Sprint("greenlet ", m.serial)}
	body := func(arg any) (v any, err error) {
		m.arrives(arg)
		if s.C == 5 {
			defer func() {
				if s, ok := m.take(); ok {
					_, _, _ = m.do(a, s)
				}
			}()
		}
		if s.C == 4 { // a hub, which has the others take turns
			for i := range 12 {
				if g := m.slots[i%len(m.slots)]; g != nil && g.Active() {
					if v, err := g.Switch(m.value()); err != nil {
						return nil, err
					} else {
						m.arrives(v)
					}
				}
			}
		}
		if s.C == 6 {
			callC(func() { v, err = m.live(a) })
			return v, err
		}
		return m.live(a)
	}
	if s.C == 7 {
		body = nil
	}
	var options []greenlet.Option
	if p := m.slots[s.B]; p != nil {
		options = append(options, greenlet.WithParent(p))
	}
	g := greenlet.New(body, options...)
	m.slots[s.A] = g
	m.made = append(m.made, weak.Make(g))
	m.share(g)
}

// iterate makes an iterator, each value of which is its own and the next one.
func (m *mixer) iterate(s model.Step) {
	m.nils = true
	m.serial++
	it := &iteration{id: m.serial}
	a := &actor{name: fmt.Sprint("iterator ", it.id)}
	body := func(yield func(int) bool) {
		it.yield = yield
		a.yield = func() error {
			m.serial++
			it.last = it.id<<20 | m.serial
			if !yield(it.last) && yield(-1) {
				m.fail("a yield returns true after one has returned false")
			}
			return nil
		}
		if _, err := m.live(a); err != nil {
			panic(err)
		}
	}
	in := func(yield func(int) bool) {
		if s.C == 6 {
			callC(func() { body(yield) })
		} else {
			body(yield)
		}
	}
	if s.B&1 == 0 {
		it.next, it.stop = greenlet.Pull(in)
	} else {
		next, stop := greenlet.Pull2(func(yield func(k, v int) bool) {
			in(func(v int) bool { return yield(v+1, v) })
		})
		it.stop = stop
		it.next = func() (int, bool) {
			k, v, ok := next()
			if ok != (k == v+1) {
				m.fail("a pair of %x and %x", k, v)
			}
			return v, ok
		}
	}
	m.iters[s.A] = it
	m.share(it)
}

func (m *mixer) coroutine(s model.Step) {
	m.nils = true
	m.serial++
	c, seen := &coroutine{id: m.serial}, map[int]bool{}
	a := &actor{name: fmt.Sprint("coroutine ", c.id)}
	took := func(in int) {
		if seen[in] || in < c.taken && !m.posted || in > c.given || in>>20 != c.id { // a later one was refused, if it is less
			m.fail("yield returns %x, handed in was %x, before that %x", in, c.given, c.taken)
		}
		c.taken = in
		seen[in] = true
	}
	c.c = greenlet.NewCoroutine(func(yield func(int) (int, error), first int) error {
		took(first)
		a.yield = func() error {
			m.serial++
			c.last = c.id<<20 | m.serial
			in, err := yield(c.last)
			if err == nil {
				took(in)
			} else if in != 0 {
				m.fail("yield returns %x and %v", in, err)
			}
			return err
		}
		_, err := m.live(a)
		return err
	})
	m.coros[s.A] = c
	m.share(c.c)
}

func (m *mixer) trace(s model.Step) {
	if s.A&1 == 0 {
		greenlet.SetTrace(nil)
		return
	}
	m.traced, m.armed = true, s.B&1 != 0
	greenlet.SetTrace(func(_ greenlet.Event, origin, target *greenlet.Greenlet) {
		if target != greenlet.Current() || target.State() != greenlet.Running {
			m.fail("the tracer is on the wrong greenlet")
		}
		if m.armed {
			m.armed = false
			if s, ok := m.take(); ok && strings.IndexByte("sktNSRQ", s.Op) >= 0 {
				_, _, _ = m.do(&actor{name: "tracer"}, s)
			}
		}
	})
}

func (m *mixer) share(x any) {
	if m.other == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.shared = append(m.shared, x)
}

// misuse does on this goroutine what only the other one may do.
func (m *mixer) misuse(s model.Step) {
	if m.other == nil {
		return
	}
	var x any
	m.other.mu.Lock()
	if n := len(m.other.shared); n > 0 {
		x = m.other.shared[(s.A*8+s.B)%n]
	}
	m.other.mu.Unlock()
	var err error
	switch x := x.(type) {
	case *greenlet.Greenlet:
		_ = x.String() + x.Name()
		x.Parent()
		switch s.C & 3 {
		case 0, 2:
			_, err = x.Throw(&mixError{9})
		case 1:
			_, err = x.Switch(&mixValue{m})
		default:
			err = x.Post(func() { _, _ = greenlet.New(returns(nil, nil)).Switch(nil) })
		}
		if err == nil && s.C&3 != 3 {
			m.fail("a switch to another goroutine's %v", x)
		}
	case *iteration:
		// A stop may end one that has not begun, and of one that has ended there is no more.
		if s.C&1 == 0 {
			x.stop()
		}
	case *greenlet.Coroutine[int, int]:
		if _, ok, e := x.Resume(-1); ok {
			m.fail("a Resume of another goroutine's coroutine")
		} else {
			err = e
		}
	case *tasklet.Channel[*mixValue]:
		err = x.Post(&mixValue{m})
	case *tasklet.Tasklet:
		_ = x.String()
		err = x.Kill()
	}
	m.known(err)
}

func (m *mixer) taskletStep(a *actor, s model.Step) (err error) {
	m.nils = true
	t, c := m.tasklets[s.A], m.channels[s.A&3]
	switch s.Op {
	case 'G':
		m.serial++
		a := &actor{name: fmt.Sprint("tasklet ", m.serial)}
		t = tasklet.New(func() {
			if _, err := m.live(a); err != nil {
				panic(err)
			}
		})
		if s.B&1 == 0 {
			err = t.Insert()
		}
		m.tasklets[s.A] = t
		m.share(t)
	case 'M':
		n := 1 << 20
		if s.A&1 != 0 {
			n = s.B
		}
		_, err = tasklet.RunSteps(n)
	case 'h':
		if s.A == 7 {
			tasklet.ScheduleRemove()
		} else {
			tasklet.Schedule()
		}
	case 'J':
		switch {
		case t == nil:
		case s.B < 4:
			err = t.Insert()
		case s.B < 6:
			err = t.Run()
		default:
			err = t.Switch()
		}
	case 'K':
		if t == nil {
			break
		}
		e := greenlet.ErrExit
		if s.B&1 != 0 {
			e = m.failure(s.B)
		}
		if s.C&1 == 0 {
			err = t.Throw(e)
		} else {
			err = t.ThrowLater(e)
		}
	case 'C':
		c = tasklet.NewChannel[*mixValue]()
		c.SetPreference(tasklet.Preference(s.B % 3))
		c.SetScheduleAll(s.C&1 != 0)
		m.channels[s.A&3] = c
		m.share(c)
	case '<':
		if c == nil {
			break
		}
		v, e := c.Receive()
		if err = e; e == nil {
			m.arrives(v)
		}
	case '>':
		switch {
		case c == nil:
		case s.B == 7:
			err = c.SendError(m.failure(s.A))
		default:
			err = c.Send(m.value())
		}
	case 'X':
		switch {
		case c == nil:
		case c.Closing():
			c.Open()
		default:
			c.Close()
		}
	case 'A':
		v, e := tasklet.Await(func() (int, error) { return s.B, nil })
		if err = e; e == nil && v != s.B {
			m.fail("Await returns %v", v)
		}
	}
	return err
}

// play plays the part, with a Run or without.
func (m *mixer) play(bare bool) {
	returned := false
	defer func() {
		m.next = m.end // the tracer or a hook is not to take any more
		if r := recover(); r != nil {
			m.known(r)
		} else if !returned && m.goexits == 0 {
			m.fail("unwound by nobody")
		}
		if bare {
			return
		}
		for _, w := range m.made {
			if g := w.Value(); g != nil && g.Active() {
				m.fail("%v is alive after Run", g)
			}
		}
		for _, t := range m.tasklets {
			if t.Alive() {
				m.fail("%v is alive after Run", t)
			}
		}
	}()
	root := func(g *greenlet.Greenlet) error {
		m.slots[0] = g
		defer func() { m.end = len(m.steps) }() // the rest is for what Run kills
		for {
			s, ok := m.take()
			if !ok {
				return nil
			}
			_, _, _ = m.do(&actor{name: "root"}, s)
		}
	}
	if bare {
		_ = root(nil)
	} else {
		m.known(greenlet.Run(root))
	}
	returned = true
}

// mix plays a program and says what was wrong.
func mix(p mixed, patience time.Duration) (report string, hangs bool) {
	parts := []*mixer{{steps: p.steps}}
	if p.two {
		parts = []*mixer{{steps: p.steps[:len(p.steps)/2]}, {steps: p.steps[len(p.steps)/2:]}}
		parts[0].other, parts[1].other = parts[1], parts[0]
	}
	var all sync.WaitGroup
	for _, m := range parts {
		m.end = len(m.steps) - len(m.steps)/8
		m.values = map[*mixValue]bool{}
		all.Add(1)
		go func() {
			defer all.Done()
			m.play(p.bare)
		}()
	}
	over := make(chan struct{})
	go func() {
		all.Wait()
		close(over)
	}()
	if !ends(over, patience) {
		stacks := make([]byte, 1<<20)
		return "it hangs\n" + string(stacks[:runtime.Stack(stacks, true)]), true
	}
	var b strings.Builder
	for i, m := range parts {
		if len(m.wrong) > 0 {
			fmt.Fprintf(&b, "goroutine %d:\n%s\n%s\n", i, strings.Join(m.log, "\n"), strings.Join(m.wrong, "\n"))
		}
		lost += m.goexits
	}
	return b.String(), false
}

func checkMix(t *testing.T, p mixed) {
	t.Helper()
	if show {
		fmt.Fprintln(os.Stderr, p.text())
	}
	report, hangs := mix(p, patience)
	if report == "" {
		return
	}
	if !hangs {
		p.steps = p.steps.Shrink(func(s model.Program) bool {
			r, h := mix(mixed{p.two, p.bare, s}, patience)
			if r == "" || h {
				return false
			}
			report = r
			return true
		})
	}
	t.Fatalf("program %s\n%s", p.text(), report)
}

// What was found, as short as it gets.
var foundMixed = []struct{ name, program string }{
	{"a yield out of place before next has returned", "00 o100 i000 N000 T110 y000 R100 Y000"},
	{"a channel's waiter that was left for another greenlet of its tasklet", "01 n100 c000 C000 G000 s100 <000 t000 K007 s100 s000"},
	{"the last greenlet ends in an operation of the root in C", "01 n234 i306 N373 s213 r051 S362"},
	{"a tasklet is killed by the tracer that runs as the next one starts", "00 G000 G000 J060 G000 c100 T150 h000 k100 t170 P000"},
}

func TestMixFound(t *testing.T) {
	for _, f := range foundMixed {
		t.Run(f.name, func(t *testing.T) { checkMix(t, parseMix([]byte(f.program))) })
	}
}

func FuzzMix(f *testing.F) {
	f.Fuzz(func(t *testing.T, text []byte) { checkMix(t, parseMix(text)) })
}

// GREENLET_PROGRAMS and GREENLET_SEED ask for more programs, or for others;
// GREENLET_PROGRAM for that one; GREENLET_SHOW prints each before it is played.
func TestMixRandom(t *testing.T) {
	if text := os.Getenv("GREENLET_PROGRAM"); text != "" {
		checkMix(t, parseMix([]byte(text)))
		return
	}
	count, seed := number(t, "GREENLET_PROGRAMS", 4000), number(t, "GREENLET_SEED", 1)
	if testing.Short() {
		count = min(count, 400)
	}
	handles := handle.Live()
	for i := range count {
		checkMix(t, randomMix(rand.New(rand.NewPCG(uint64(seed), uint64(i)))))
	}
	if oneM() { // threads keep some, until they end
		waitFor(t, func() bool { return handle.Live()-handles-int(inC.Load()) < 100 })
		return
	}
	assert.LessOrEqual(t, handle.Live()-handles, 65*20+lost)
}

// inC is how many calls of callC have not come back: those of greenlets that were given up
// never do, and cgotest keeps a handle for each.
var inC atomic.Int64

func callC(f func()) {
	inC.Add(1)
	defer inC.Add(-1)
	cgotest.Call(f)
}
