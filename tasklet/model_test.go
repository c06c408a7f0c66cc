package tasklet_test

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-greenlet/greenlet"
	"github.com/go-greenlet/greenlet/tasklet"
)

// A program is what a tasklet does. Tasklets are numbered in the order of their
// birth, main is 0.
type program []step

type step struct {
	op    string
	n     int     // a tasklet or a channel, or seconds
	child program // for "go" and "timeout"
}

const channels = 6

var operations = []string{"schedule", "schedule", "pause", "send", "send", "send", "receive", "receive", "receive",
	"run", "switch", "insert", "remove", "kill", "kill later", "throw", "throw later", "panic", "go", "go", "Run",
	"steps", "steps", "trap", "trap", "close", "open", "count", "join", "join", "set", "clear", "wait", "wait",
	"acquire", "acquire", "try", "release", "release", "sleep", "sleep", "advance", "frame", "timeout", "timeout"}

func randomProgram(r *rand.Rand, steps, depth int) program {
	p := make(program, 1+r.IntN(steps))
	for i := range p {
		s := step{op: operations[r.IntN(len(operations))], n: r.IntN(8)}
		if (s.op == "go" || s.op == "timeout") && depth == 0 {
			s.op = "schedule"
		}
		switch s.op {
		case "go":
			s.child = randomProgram(r, steps, depth-1)
		case "timeout":
			s.child = randomProgram(r, steps/4, depth-1)
		}
		p[i] = s
	}
	return p
}

func preferenceOf(channel int) (p tasklet.Preference, all bool) {
	return tasklet.Preference(channel % 3), channel == 3
}

func bufferOf(channel int) int { return max(0, channel-3) }

func seconds(n int) time.Duration { return time.Duration(n%3) * time.Second }

var errOops = errors.New("oops")

// A player runs programs with the package.
type player struct {
	all      []*tasklet.Tasklet
	channels []*tasklet.Channel[int]
	event    *tasklet.Event
	permits  *tasklet.Semaphore
	log      []string
}

func play(t *testing.T, p program) string {
	var y player
	err := tasklet.WithClock(noon, func() error {
		y.all = append(y.all, tasklet.Main())
		y.event, y.permits = tasklet.NewEvent(), tasklet.NewSemaphore(1)
		for i := range channels {
			c := tasklet.NewChannel[int](tasklet.WithBuffer(bufferOf(i)))
			pref, all := preferenceOf(i)
			c.SetPreference(pref)
			c.SetScheduleAll(all)
			y.channels = append(y.channels, c)
		}
		y.run(0, p)
		for i := range y.all {
			y.all[i] = nil // the rest is killed, and not to go on with its program
		}
		return nil
	})
	if err != nil { // what those that were killed had not got yet
		require.ErrorIs(t, err, errOops)
	}
	return strings.Join(y.log, "\n")
}

func (y *player) run(id int, p program) {
	for _, s := range p {
		if y.all[0] == nil {
			return
		}
		result := y.do(id, s)
		if y.all[0] == nil {
			return
		}
		y.log = append(y.log, fmt.Sprint(id, " ", s.op, " ", s.n, ": ", result))
	}
}

func (y *player) do(id int, s step) (result string) {
	if s.op == "panic" && tasklet.Current() != tasklet.Main() {
		panic("a step")
	}
	defer func() {
		if r := recover(); r != nil {
			result = outcome(r.(error))
		}
	}()
	who, c := y.all[s.n%len(y.all)], y.channels[s.n%channels]
	var err error
	switch s.op {
	case "schedule":
		tasklet.Schedule()
	case "pause":
		tasklet.ScheduleRemove()
	case "send":
		err = c.Send(s.n)
	case "receive":
		var v int
		if v, err = c.Receive(); err == nil {
			return strconv.Itoa(v)
		}
	case "run":
		err = who.Run()
	case "switch":
		err = who.Switch()
	case "insert":
		err = who.Insert()
	case "remove":
		err = who.Remove()
	case "kill":
		err = who.Kill()
	case "kill later":
		err = who.KillLater()
	case "throw":
		err = who.Throw(errOops)
	case "throw later":
		err = who.ThrowLater(errOops)
	case "go":
		id := len(y.all)
		y.all = append(y.all, tasklet.Go(func() { y.run(id, s.child) }))
	case "Run":
		err = tasklet.Run()
	case "steps":
		var made int
		made, err = tasklet.RunSteps(s.n % 5)
		return fmt.Sprint(made, " ", outcome(err))
	case "trap":
		if tasklet.SwitchTrap(1) == 1 {
			tasklet.SwitchTrap(-2)
		}
	case "close":
		c.Close()
	case "open":
		c.Open()
	case "count":
		return fmt.Sprint(tasklet.RunCount(), " ", c.Balance(), " ", tasklet.Now().Sub(noon))
	case "join":
		err = who.Join()
	case "set":
		y.event.Set()
	case "clear":
		y.event.Clear()
	case "wait":
		err = y.event.Wait()
	case "acquire":
		err = y.permits.Acquire()
	case "try":
		return fmt.Sprint(y.permits.TryAcquire())
	case "release":
		y.permits.Release()
	case "sleep":
		err = tasklet.Sleep(seconds(s.n))
	case "advance":
		err = tasklet.Advance(seconds(s.n))
	case "frame":
		var more bool
		more, err = tasklet.RunFor(time.Hour)
		return fmt.Sprint(more, " ", outcome(err))
	case "timeout":
		err = tasklet.Timeout(seconds(s.n), func() error { y.run(id, s.child); return nil })
	}
	return outcome(err)
}

func outcome(err error) string {
	var d *tasklet.DeadlockError
	var p *greenlet.PanicError
	var joined interface{ Unwrap() []error }
	switch {
	case err == nil:
		return "ok"
	case errors.As(err, &p) && !errors.Is(err, errOops):
		return "panic"
	case errors.As(err, &joined):
		var all []string
		for _, e := range joined.Unwrap() {
			all = append(all, outcome(e))
		}
		return strings.Join(all, "+")
	case errors.As(err, &d):
		return "deadlock"
	}
	for _, e := range []error{tasklet.ErrDead, tasklet.ErrBlocked, tasklet.ErrCurrent, tasklet.ErrClosed, tasklet.ErrSwitchTrap, tasklet.ErrExit, tasklet.ErrTimeout, errOops} {
		if errors.Is(err, e) {
			return e.Error()
		}
	}
	return err.Error()
}

// The model is the contract again: lists of numbers, slow and obvious. Written from
// the documentation, not from the implementation.
type model struct {
	all   []*modelTasklet
	ring  []int // the first is the current one
	chans [channels]modelChannel
	runs  []*modelRun // the last is the innermost
	trap  bool
	log   []string

	waiters []int // for the event
	set     bool
	takers  []int // of permits that are not there
	permits int
	now     int // in seconds
	timers  []*modelTimer
	made    int // timers
}

// A modelTimer ends a sleep or the time of a Timeout.
type modelTimer struct {
	id, at int
	what   string // for Timeout: "timeout", and a number
}

type modelTasklet struct {
	p       program
	started bool
	state   string // ring, channel, join, event, permit, sleep, paused, run, dead
	inStep  bool
	result  string   // of the step that it is in, for when it goes on
	mail    []string // what it gets instead, one at a time
	made    int      // switches of the Run that it was in
	joiners []int
	got     bool // a permit is on its way to it
	limited bool // what it is blocked in is in a Timeout whose time is not over
}

type modelChannel struct {
	queue   []int
	senders bool
	values  []int
	buffer  []int
	closed  bool
}

type modelRun struct {
	by, made, most int
	gone           bool // its caller can run, but has not yet, and there are runs inside
	frame          bool // it does not wait for the time
}

const exit, oops = "greenlet: exit", "oops"

func (m *model) run(p program) string {
	m.all = []*modelTasklet{{p: p, started: true, state: "ring"}}
	m.ring, m.permits = []int{0}, 1
	for {
		id := m.ring[0]
		t := m.all[id]
		what := t.result
		begins := !t.started
		t.started = true
		if (t.inStep || begins) && len(t.mail) > 0 {
			what, t.mail = t.mail[0], t.mail[1:]
			if t.got {
				m.release()
			}
			if begins {
				m.end(id, what)
				continue
			}
		}
		if t.inStep {
			m.back(id)
			m.done(id, what)
		}
		switch {
		case len(t.p) > 0:
			t.inStep, t.result = true, "ok"
			m.step(id, t.p[0])
		case id != 0:
			m.end(id, "ok")
		default:
			return strings.Join(m.log, "\n")
		}
	}
}

// done notes the result of a step. A step that is not done is, when its tasklet is
// the first of the ring again.
func (m *model) done(id int, result string) {
	t := m.all[id]
	s := t.p[0]
	if strings.HasPrefix(result, "timeout") {
		result = tasklet.ErrTimeout.Error()
	}
	switch {
	case strings.HasPrefix(result, "panic"):
	case s.op == "steps":
		result = fmt.Sprint(t.made, " ", result)
	case s.op == "frame":
		result = fmt.Sprint(len(m.ring) > 1, " ", result)
	}
	t.got = false
	m.log = append(m.log, fmt.Sprint(id, " ", s.op, " ", s.n, ": ", result))
	t.p, t.inStep = t.p[1:], false
}

func (m *model) turnTo(id int) {
	i := slices.Index(m.ring, id)
	m.ring = append(slices.Clone(m.ring[i:]), m.ring[:i]...)
}

// out takes a tasklet out of wherever it is.
func (m *model) out(id int) {
	is := func(x int) bool { return x == id }
	without := func(all []int) []int { return slices.DeleteFunc(slices.Clone(all), is) }
	m.ring, m.waiters, m.takers = without(m.ring), without(m.waiters), without(m.takers)
	for _, t := range m.all {
		t.joiners = without(t.joiners)
	}
	m.timers = slices.DeleteFunc(m.timers, func(t *modelTimer) bool { return t.id == id && t.what == "" })
	m.all[id].limited = false
	for i := range m.chans {
		c := &m.chans[i]
		if j := slices.Index(c.queue, id); j >= 0 {
			c.queue = slices.Delete(slices.Clone(c.queue), j, j+1)
			c.values = slices.Delete(slices.Clone(c.values), j, j+1)
		}
	}
	for _, r := range m.runs {
		if r.by == id && !r.gone {
			m.all[id].made, r.gone = r.made, true
		}
	}
	for len(m.runs) > 0 && m.innermost().gone {
		m.runs = m.runs[:len(m.runs)-1]
	}
}

// back: the caller of a Run goes on. Those of the runs inside of it can run then, and
// their Run is over.
func (m *model) back(id int) {
	for slices.ContainsFunc(m.runs, func(r *modelRun) bool { return r.by == id }) {
		m.putLast(m.innermost().by)
	}
}

func (m *model) put(id, at int) {
	m.out(id)
	m.all[id].state = "ring"
	m.ring = slices.Insert(slices.Clone(m.ring), at, id)
}

func (m *model) putLast(id int) {
	if m.all[id].state != "ring" {
		m.put(id, len(m.ring))
	}
}

func (m *model) innermost() *modelRun {
	if len(m.runs) == 0 {
		return nil
	}
	return m.runs[len(m.runs)-1]
}

func (m *model) leave(id int, state string) {
	m.ring = slices.Clone(m.ring[1:])
	m.all[id].state = state
}

// transfer: the first of the ring goes on, if the innermost Run has a switch left. It
// says whether there is anybody. Whoever made room for it does not wait if there is
// mail for it.
func (m *model) transfer(from int) bool {
	if t := m.all[from]; t.state != "dead" && len(t.mail) > 0 {
		m.putLast(from)
	}
	r := m.innermost()
	for len(m.ring) == 0 && m.awaited() && (r == nil || r.made < r.most && !r.frame) {
		m.advance(m.timers[0].at)
		r = m.innermost()
	}
	switch {
	case r != nil && (r.made == r.most || len(m.ring) == 0):
		m.put(r.by, 0)
	case len(m.ring) > 0:
		if r != nil {
			r.made++
		}
	case m.all[0].state == "paused":
		m.put(0, 0)
	default:
		return false
	}
	return true
}

// end: what is "ok", or why.
func (m *model) end(id int, what string) {
	var failures []string
	for _, f := range append([]string{what}, m.all[id].mail...) {
		if f != "ok" && f != exit && !strings.HasPrefix(f, "timeout") {
			failures = append(failures, f)
		}
	}
	m.out(id)
	m.all[id].state = "dead"
	m.timers = slices.DeleteFunc(m.timers, func(t *modelTimer) bool { return t.id == id })
	for _, j := range slices.Clone(m.all[id].joiners) {
		m.putLast(j)
	}
	if len(failures) == 0 {
		if m.transfer(id) {
			return
		}
		failures = []string{"deadlock"} // main waits on a channel
	}
	to := 0
	if r := m.innermost(); r != nil {
		to = r.by
	}
	if m.all[to].state == "ring" {
		m.turnTo(to)
	} else {
		m.put(to, 0)
	}
	m.all[to].mail = append([]string{strings.Join(failures, "+")}, m.all[to].mail...)
}

// stuck says whether nobody could go on without the current one.
func (m *model) stuck(id int) bool {
	return len(m.ring) == 1 && len(m.runs) == 0 && m.all[0].state != "paused" && len(m.all[id].mail) == 0 && !m.awaited()
}

// awaited says whether somebody who waits goes on when it is time.
func (m *model) awaited() bool {
	return slices.ContainsFunc(m.all, func(t *modelTasklet) bool { return t.state == "sleep" || t.limited })
}

// limits says whether the tasklet is in a Timeout whose time is not over.
func (m *model) limits(id int) bool {
	return slices.ContainsFunc(m.timers, func(t *modelTimer) bool { return t.id == id && t.what != "" })
}

func (m *model) after(id, seconds int, what string) {
	m.timers = append(m.timers, &modelTimer{id, m.now + seconds, what})
	slices.SortStableFunc(m.timers, func(a, b *modelTimer) int { return a.at - b.at })
}

func (m *model) advance(to int) {
	for len(m.timers) > 0 && m.timers[0].at <= to {
		t := m.timers[0]
		m.timers = slices.Clone(m.timers[1:])
		m.putLast(t.id)
		if t.what != "" {
			m.all[t.id].mail = append(m.all[t.id].mail, t.what)
		}
	}
	m.now = to
}

func (m *model) release() {
	if len(m.takers) == 0 {
		m.permits++
		return
	}
	id := m.takers[0]
	m.putLast(id)
	m.all[id].got = true
}

// block is for who finds nobody; it says whether it is blocked.
func (m *model) block(id int, state string) bool {
	limited := m.limits(id)
	switch {
	case m.stuck(id) && !limited:
		m.done(id, "deadlock")
	case m.trap:
		m.done(id, tasklet.ErrSwitchTrap.Error())
	default:
		m.leave(id, state)
		m.all[id].limited = limited
		return true
	}
	return false
}

func (m *model) step(id int, s step) {
	who, ch := s.n%len(m.all), s.n%channels
	w, c := m.all[who], &m.chans[ch]
	runnable := func() bool {
		switch w.state {
		case "dead":
			m.done(id, tasklet.ErrDead.Error())
		case "channel", "run", "join", "event", "permit", "sleep":
			m.done(id, tasklet.ErrBlocked.Error())
		default:
			return true
		}
		return false
	}
	trapped := func() bool {
		if m.trap {
			m.done(id, tasklet.ErrSwitchTrap.Error())
		}
		return m.trap
	}
	switch s.op {
	case "schedule":
		if r := m.innermost(); len(m.ring) == 1 && (r == nil || r.made < r.most) {
			m.transfer(id)
			return
		}
		if !trapped() {
			m.ring = append(slices.Clone(m.ring[1:]), id)
			m.transfer(id)
		}
	case "pause":
		if m.stuck(id) {
			m.done(id, "deadlock")
			return
		}
		if trapped() {
			return
		}
		m.leave(id, "paused")
		m.transfer(id)
	case "send", "receive":
		sends := s.op == "send"
		if sends && c.closed {
			m.done(id, tasklet.ErrClosed.Error())
			return
		}
		if (len(c.queue) == 0 || c.senders) && (sends && len(c.buffer) < bufferOf(ch) || !sends && len(c.buffer) > 0 && len(c.queue) == 0) {
			if sends {
				c.buffer = append(c.buffer, s.n)
				m.done(id, "ok")
			} else {
				v := c.buffer[0]
				c.buffer = slices.Clone(c.buffer[1:])
				m.done(id, strconv.Itoa(v))
			}
			return
		}
		if len(c.queue) == 0 || c.senders == sends {
			if !sends && c.closed {
				m.done(id, tasklet.ErrClosed.Error())
			} else if m.block(id, "channel") {
				c.senders = sends
				c.queue = append(c.queue, id)
				c.values = append(c.values, s.n)
				m.transfer(id)
			}
			return
		}
		pref, all := preferenceOf(ch)
		theirs := sends && pref == tasklet.PreferReceiver || !sends && pref == tasklet.PreferSender
		if (all || theirs) && trapped() {
			return
		}
		partner, value := c.queue[0], c.values[0]
		if !sends && bufferOf(ch) > 0 { // it is full
			c.buffer = append(slices.Clone(c.buffer), value)
			value, c.buffer = c.buffer[0], c.buffer[1:]
		}
		if sends {
			m.all[partner].result = strconv.Itoa(s.n)
		} else {
			m.all[id].result = strconv.Itoa(value)
		}
		switch {
		case all:
			m.putLast(partner)
			m.turnTo(m.ring[1])
			m.transfer(id)
		case theirs:
			m.put(partner, 1)
			m.turnTo(partner)
			m.transfer(id)
		default:
			m.putLast(partner)
			m.done(id, m.all[id].result)
		}
	case "run", "switch":
		if !runnable() {
			return
		}
		if who == id {
			m.done(id, "ok")
			return
		}
		if trapped() {
			return
		}
		m.putLast(who)
		if s.op == "switch" {
			m.leave(id, "paused")
		}
		m.turnTo(who)
		m.transfer(id)
	case "insert":
		if runnable() {
			m.putLast(who)
			m.done(id, "ok")
		}
	case "remove":
		if !runnable() {
			return
		}
		if who == id {
			m.done(id, tasklet.ErrCurrent.Error())
			return
		}
		m.out(who)
		w.state = "paused"
		m.done(id, "ok")
	case "kill", "kill later", "throw", "throw later":
		what, later := exit, strings.HasSuffix(s.op, "later")
		if strings.HasPrefix(s.op, "throw") {
			what = oops
		}
		switch {
		case w.state == "dead" && what == exit:
			m.done(id, "ok")
		case w.state == "dead":
			m.done(id, tasklet.ErrDead.Error())
		case who == id:
			m.done(id, what)
		case later:
			m.putLast(who)
			w.mail = append(w.mail, what)
			m.done(id, "ok")
		case !trapped():
			m.putLast(who)
			w.mail = append([]string{what}, w.mail...)
			m.turnTo(who)
			m.transfer(id)
		}
	case "panic":
		if id != 0 {
			m.end(id, "panic")
			return
		}
		m.done(id, "ok")
	case "go":
		m.all = append(m.all, &modelTasklet{p: s.child})
		m.putLast(len(m.all) - 1)
		m.done(id, "ok")
	case "frame":
		switch {
		case len(m.ring) == 1:
			m.done(id, "ok")
		case !trapped():
			m.runs = append(m.runs, &modelRun{by: id, most: math.MaxInt, frame: true})
			m.leave(id, "run")
			m.transfer(id)
		}
	case "Run", "steps":
		most := math.MaxInt
		if s.op == "steps" {
			most = s.n % 5
		}
		m.all[id].made = 0
		switch {
		case most == 0 || len(m.ring) == 1 && !m.awaited():
			m.done(id, "ok")
		case !trapped():
			m.runs = append(m.runs, &modelRun{by: id, most: most})
			m.leave(id, "run")
			m.transfer(id)
		}
	case "trap":
		m.trap = !m.trap
		m.done(id, "ok")
	case "close":
		c.closed = true
		for !c.senders && len(c.queue) > 0 {
			partner := c.queue[0]
			m.all[partner].result = tasklet.ErrClosed.Error()
			m.putLast(partner)
		}
		m.done(id, "ok")
	case "open":
		c.closed = false
		m.done(id, "ok")
	case "count":
		balance := len(c.queue)
		if !c.senders {
			balance = -balance
		}
		m.done(id, fmt.Sprint(len(m.ring), " ", balance, " ", time.Duration(m.now)*time.Second))
	case "join":
		switch {
		case w.state == "dead":
			m.done(id, "ok")
		case who == id:
			m.done(id, tasklet.ErrCurrent.Error())
		case m.block(id, "join"):
			w.joiners = append(w.joiners, id)
			m.transfer(id)
		}
	case "set":
		m.set = true
		for len(m.waiters) > 0 {
			m.putLast(m.waiters[0])
		}
		m.done(id, "ok")
	case "clear":
		m.set = false
		m.done(id, "ok")
	case "wait":
		switch {
		case m.set:
			m.done(id, "ok")
		case m.block(id, "event"):
			m.waiters = append(m.waiters, id)
			m.transfer(id)
		}
	case "acquire":
		switch {
		case m.permits > 0:
			m.permits--
			m.done(id, "ok")
		case m.block(id, "permit"):
			m.takers = append(m.takers, id)
			m.transfer(id)
		}
	case "try":
		got := m.permits > 0
		if got {
			m.permits--
		}
		m.done(id, fmt.Sprint(got))
	case "release":
		m.release()
		m.done(id, "ok")
	case "sleep":
		if !trapped() {
			m.leave(id, "sleep")
			m.after(id, s.n%3, "")
			m.transfer(id)
		}
	case "advance":
		m.advance(m.now + s.n%3)
		m.done(id, "ok")
	case "timeout": // its steps, and then the end of the time, are steps of the tasklet's
		m.made++
		what := fmt.Sprint("timeout", m.made)
		m.after(id, s.n%3, what)
		t := m.all[id]
		t.p = slices.Concat(s.child, program{{op: "over", n: s.n, child: program{{op: what}}}}, t.p[1:])
		t.inStep = false
	case "over":
		what := s.child[0].op
		m.timers = slices.DeleteFunc(m.timers, func(t *modelTimer) bool { return t.what == what })
		t := m.all[id]
		t.mail = slices.DeleteFunc(t.mail, func(letter string) bool { return letter == what })
		t.p[0].op = "timeout"
		m.done(id, "ok")
	}
}

func compare(t *testing.T, seed uint64) {
	r := rand.New(rand.NewPCG(seed, 0))
	var p program
	for range 4 + r.IntN(6) {
		p = append(p, step{op: "go", child: randomProgram(r, 24, 1)})
	}
	p = append(p, randomProgram(r, 24, 2)...)
	for range 6 { // main's end is everybody's
		p = append(p, step{op: "trap"}, step{op: "Run"})
	}
	require.Equal(t, new(model).run(p), play(t, p), "seed %d", seed)
}

func TestRandomProgramsAgainstTheModel(t *testing.T) {
	n := uint64(1000)
	if testing.Short() {
		n = 200
	}
	for seed := range n {
		compare(t, seed)
	}
}

func FuzzAgainstTheModel(f *testing.F) {
	f.Add(uint64(1))
	f.Fuzz(compare)
}
