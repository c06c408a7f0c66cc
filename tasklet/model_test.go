package tasklet_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-greenlet/greenlet/tasklet"
)

// A program is what a tasklet does. Tasklets are numbered in the order of their
// birth, main is 0.
type program []step

type step struct {
	op    string
	n     int     // a tasklet or a channel
	child program // for "go"
}

const channels = 4

var operations = []string{"schedule", "schedule", "pause", "send", "send", "send", "receive", "receive", "receive",
	"run", "switch", "insert", "remove", "kill", "kill later", "go", "go", "Run", "close", "open", "count"}

func randomProgram(r *rand.Rand, steps, depth int) program {
	p := make(program, 1+r.IntN(steps))
	for i := range p {
		s := step{op: operations[r.IntN(len(operations))], n: r.IntN(8)}
		if s.op == "go" && depth == 0 {
			s.op = "schedule"
		}
		if s.op == "go" {
			s.child = randomProgram(r, steps, depth-1)
		}
		p[i] = s
	}
	return p
}

func preferenceOf(channel int) (p tasklet.Preference, all bool) {
	return tasklet.Preference(channel % 3), channel == 3
}

// A player runs programs with the package.
type player struct {
	all      []*tasklet.Tasklet
	channels []*tasklet.Channel[int]
	log      []string
}

func play(t *testing.T, p program) string {
	var y player
	world(t, func() {
		y.all = append(y.all, tasklet.Main())
		for i := range channels {
			c := tasklet.NewChannel[int]()
			pref, all := preferenceOf(i)
			c.SetPreference(pref)
			c.SetScheduleAll(all)
			y.channels = append(y.channels, c)
		}
		y.run(0, p)
		for i := range y.all {
			y.all[i] = nil // the rest is killed, and not to go on with its program
		}
	})
	return strings.Join(y.log, "\n")
}

func (y *player) run(id int, p program) {
	for _, s := range p {
		if y.all[0] == nil {
			return
		}
		result := y.do(s)
		if y.all[0] == nil {
			return
		}
		y.log = append(y.log, fmt.Sprint(id, " ", s.op, " ", s.n, ": ", result))
	}
}

func (y *player) do(s step) (result string) {
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
	case "go":
		id := len(y.all)
		y.all = append(y.all, tasklet.Go(func() { y.run(id, s.child) }))
	case "Run":
		err = tasklet.Run()
	case "close":
		c.Close()
	case "open":
		c.Open()
	case "count":
		return fmt.Sprint(tasklet.RunCount(), " ", c.Balance())
	}
	return outcome(err)
}

func outcome(err error) string {
	var d *tasklet.DeadlockError
	switch {
	case err == nil:
		return "ok"
	case errors.As(err, &d):
		return "deadlock"
	case errors.Is(err, tasklet.ErrExit):
		return "exit"
	}
	for _, e := range []error{tasklet.ErrDead, tasklet.ErrBlocked, tasklet.ErrCurrent, tasklet.ErrClosed} {
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
	runs  []int
	log   []string
}

type modelTasklet struct {
	p       program
	started bool
	state   string // ring, channel, paused, run, dead
	result  string // of the step that it is in, for when it goes on
	inStep  bool
}

type modelChannel struct {
	queue   []int
	senders bool
	values  []int
	closed  bool
}

func (m *model) run(p program) string {
	m.all = []*modelTasklet{{p: p, started: true, state: "ring"}}
	m.ring = []int{0}
	for {
		id := m.ring[0]
		t := m.all[id]
		if !t.started {
			t.started = true
			if t.inStep { // something was thrown at it
				m.end(id)
				continue
			}
		}
		if t.inStep {
			m.done(id, t.result)
		}
		if len(t.p) == 0 {
			if id == 0 {
				return strings.Join(m.log, "\n")
			}
			m.end(id)
			continue
		}
		t.inStep, t.result = true, "ok"
		m.step(id, t.p[0])
	}
}

// done notes the result of a step. A step that is not done is, when its tasklet is
// the first of the ring again.
func (m *model) done(id int, result string) {
	t := m.all[id]
	m.log = append(m.log, fmt.Sprint(id, " ", t.p[0].op, " ", t.p[0].n, ": ", result))
	t.p, t.inStep = t.p[1:], false
}

func (m *model) turnTo(id int) {
	i := slices.Index(m.ring, id)
	m.ring = append(slices.Clone(m.ring[i:]), m.ring[:i]...)
}

func (m *model) leave(state string) {
	m.all[m.ring[0]].state = state
	m.ring = slices.Clone(m.ring[1:])
	m.wakeIfEmpty()
}

func (m *model) wakeIfEmpty() bool {
	if len(m.ring) > 0 {
		return true
	}
	if n := len(m.runs); n > 0 {
		m.put(m.runs[n-1])
		m.runs = m.runs[:n-1]
		return true
	}
	if m.all[0].state == "paused" {
		m.put(0)
		return true
	}
	return false
}

func (m *model) put(id int) {
	m.all[id].state = "ring"
	m.ring = append(slices.Clone(m.ring), id)
}

func (m *model) unlink(id int) {
	for i := range m.chans {
		c := &m.chans[i]
		if j := slices.Index(c.queue, id); j >= 0 {
			c.queue = slices.Delete(c.queue, j, j+1)
			c.values = slices.Delete(c.values, j, j+1)
		}
	}
}

func (m *model) end(id int) {
	m.all[id].state = "dead"
	m.ring = slices.Clone(m.ring[1:])
	if !m.wakeIfEmpty() { // main waits on a channel
		m.unlink(0)
		m.all[0].result = "deadlock"
		m.put(0)
	}
}

// stuck says whether nobody could go on without the current one.
func (m *model) stuck(id int) bool {
	return len(m.ring) == 1 && len(m.runs) == 0 && m.all[0].state != "paused"
}

func (m *model) step(id int, s step) {
	who, ch := s.n%len(m.all), s.n%channels
	w, c := m.all[who], &m.chans[ch]
	runnable := func() bool {
		switch w.state {
		case "dead":
			m.done(id, tasklet.ErrDead.Error())
		case "channel", "run":
			m.done(id, tasklet.ErrBlocked.Error())
		default:
			return true
		}
		return false
	}
	switch s.op {
	case "schedule":
		m.ring = append(slices.Clone(m.ring[1:]), id)
	case "pause":
		if m.stuck(id) {
			m.done(id, "deadlock")
			return
		}
		m.leave("paused")
	case "send", "receive":
		sends := s.op == "send"
		if sends && c.closed {
			m.done(id, tasklet.ErrClosed.Error())
			return
		}
		if len(c.queue) == 0 || c.senders == sends {
			switch {
			case !sends && c.closed:
				m.done(id, tasklet.ErrClosed.Error())
			case m.stuck(id):
				m.done(id, "deadlock")
			default:
				c.senders = sends
				c.queue = append(c.queue, id)
				c.values = append(c.values, s.n)
				m.leave("channel")
			}
			return
		}
		partner, value := c.queue[0], c.values[0]
		c.queue, c.values = c.queue[1:], c.values[1:]
		if sends {
			m.all[partner].result = strconv.Itoa(s.n)
		} else {
			m.all[id].result = strconv.Itoa(value)
		}
		pref, all := preferenceOf(ch)
		switch {
		case all:
			m.put(partner)
			m.turnTo(m.ring[1])
		case sends && pref == tasklet.PreferReceiver || !sends && pref == tasklet.PreferSender:
			m.all[partner].state = "ring"
			m.ring = slices.Insert(slices.Clone(m.ring), 1, partner)
			m.turnTo(partner)
		default:
			m.put(partner)
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
		if w.state == "paused" {
			m.put(who)
		}
		if s.op == "switch" {
			m.all[id].state = "paused"
			m.ring = slices.DeleteFunc(slices.Clone(m.ring), func(x int) bool { return x == id })
		}
		m.turnTo(who)
	case "insert":
		if runnable() {
			if w.state == "paused" {
				m.put(who)
			}
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
		m.ring = slices.DeleteFunc(slices.Clone(m.ring), func(x int) bool { return x == who })
		w.state = "paused"
		m.done(id, "ok")
	case "kill", "kill later":
		switch {
		case w.state == "dead":
			m.done(id, "ok")
			return
		case who == id:
			m.done(id, "exit")
			return
		case w.state == "run":
			m.done(id, tasklet.ErrBlocked.Error())
			return
		case w.state == "channel":
			m.unlink(who)
			m.put(who)
		case w.state == "paused":
			m.put(who)
		}
		w.inStep, w.result = true, "exit"
		if s.op == "kill later" {
			m.done(id, "ok")
			return
		}
		m.turnTo(who)
	case "go":
		m.all = append(m.all, &modelTasklet{p: s.child})
		m.put(len(m.all) - 1)
		m.done(id, "ok")
	case "Run":
		if len(m.ring) > 1 {
			m.runs = append(m.runs, id)
			m.leave("run")
		}
	case "close":
		c.closed = true
		if !c.senders {
			for len(c.queue) > 0 {
				partner := c.queue[0]
				m.unlink(partner)
				m.all[partner].result = tasklet.ErrClosed.Error()
				m.put(partner)
			}
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
		m.done(id, fmt.Sprint(len(m.ring), " ", balance))
	}
}

func compare(t *testing.T, seed uint64) {
	p := randomProgram(rand.New(rand.NewPCG(seed, 0)), 12, 3)
	p = append(p, step{op: "Run"}, step{op: "Run"}) // main's end is everybody's
	require.Equal(t, new(model).run(p), play(t, p), "seed %d", seed)
}

func TestRandomProgramsAgainstTheModel(t *testing.T) {
	for seed := range uint64(1000) {
		compare(t, seed)
	}
}

func FuzzAgainstTheModel(f *testing.F) {
	f.Add(uint64(1))
	f.Fuzz(compare)
}
