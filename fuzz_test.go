package greenlet_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-greenlet/greenlet"
	"github.com/go-greenlet/greenlet/internal/model"
)

// The tests in this file play programs with the library and with the model of the
// contract, and compare all that can be seen.

// maxSteps bounds a program.
const maxSteps = 120

// maxLost bounds how many stacks the programs of one process may make useless by
// Goexit, or by refusing to die, where those cannot be freed.
var lost, maxLost = 0, 3000

func library() model.Side[*greenlet.Greenlet] {
	return model.Side[*greenlet.Greenlet]{
		Run: func(f func(*greenlet.Greenlet) error) error { return greenlet.Run(f) },
		New: func(run func(any) (any, error), p *greenlet.Greenlet) *greenlet.Greenlet {
			if p == nil {
				return greenlet.New(run)
			}
			return greenlet.New(run, greenlet.WithParent(p))
		},
		Current: greenlet.Current,
		SetTrace: func(f func(throw bool, origin, target *greenlet.Greenlet)) bool {
			if f == nil {
				return greenlet.SetTrace(nil) != nil
			}
			return greenlet.SetTrace(func(e greenlet.Event, o, g *greenlet.Greenlet) {
				f(e == greenlet.EventThrow, o, g)
			}) != nil
		},
		State: func(g *greenlet.Greenlet) string { return g.State().String() },
		Panicked: func(r any) (any, bool) {
			if p, ok := r.(*greenlet.PanicError); ok && len(p.Stack) > 0 {
				return p.Value, true
			}
			return nil, false
		},
		ErrExit:         greenlet.ErrExit,
		ErrNoRun:        greenlet.ErrNoRun,
		ErrCyclicParent: greenlet.ErrCyclicParent,
		ErrRootParent:   greenlet.ErrRootParent,
	}
}

// differ plays p on both sides and tells how they differ; "" means that they
// don't.
func differ(p model.Program, patience time.Duration) (report string, hangs bool) {
	side, tree := model.Reference()
	var want, got model.Log
	if !ends(model.Play(side, p, &want), patience) {
		return "the model hangs:\n" + strings.Join(want.Lines(), "\n"), true
	}
	n := tree.Lost()
	tree.Release()
	if n > 0 && lost+n > maxLost && !oneM() {
		return "", false
	}
	lost += n
	if !ends(model.Play(library(), p, &got), patience) {
		return "the library hangs:\n" + sideBySide(want.Lines(), got.Lines()), true
	}
	if slices.Equal(want.Lines(), got.Lines()) {
		return "", false
	}
	return sideBySide(want.Lines(), got.Lines()), false
}

func ends(done <-chan struct{}, patience time.Duration) bool {
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-done:
		return true
	case <-timer.C:
		return false
	}
}

// sideBySide shows where two logs part: what the model says above what the
// library does.
func sideBySide(want, got []string) string {
	var b strings.Builder
	i := 0
	for ; i < len(want) && i < len(got) && want[i] == got[i]; i++ {
		fmt.Fprintf(&b, "        %s\n", want[i])
	}
	for n := i; i < len(want) || i < len(got); i++ {
		if i > n+12 {
			b.WriteString("        ...\n")
			break
		}
		if i < len(want) {
			fmt.Fprintf(&b, "model   %s\n", want[i])
		}
		if i < len(got) {
			fmt.Fprintf(&b, "library %s\n", got[i])
		}
	}
	return b.String()
}

const patience = 30 * time.Second

// show prints each program before it is played, for one that kills the process.
var show = os.Getenv("GREENLET_SHOW") != ""

// check fails the test if the sides differ, with a program as short as possible.
func check(t *testing.T, p model.Program) {
	t.Helper()
	if show {
		fmt.Fprintln(os.Stderr, p.Text())
	}
	report, hangs := differ(p, patience)
	if report == "" {
		return
	}
	if !hangs {
		maxLost += 10000
		p = p.Shrink(func(p model.Program) bool {
			r, h := differ(p, patience)
			if r == "" || h {
				return false
			}
			report = r
			return true
		})
	}
	t.Fatalf("program %s\n%v\n%s", p.Text(), p, report)
}

func FuzzModel(f *testing.F) {
	f.Fuzz(func(t *testing.T, text []byte) { check(t, model.Parse(text, maxSteps)) })
}

// GREENLET_PROGRAMS and GREENLET_SEED ask for more programs, or for others.
func TestModelRandom(t *testing.T) {
	count, seed := number(t, "GREENLET_PROGRAMS", 5000), number(t, "GREENLET_SEED", 1)
	if testing.Short() {
		count = min(count, 500)
	}
	for i := range count {
		check(t, model.Random(rand.New(rand.NewPCG(uint64(seed), uint64(i)))))
	}
}

// What was found, as short as it gets. The last quarter of the steps is taken when
// Run kills.
var found = []struct{ name, program string }{
	{"goexit and then a panic of a deferred call", "n106 s100 x000 p000 n000 n000"},
	{"goexit while Run kills", "n100 n200 s100 s000 s200 s000 f000 x000 n000 n000"},
	{"tracer panics in Kill", "n200 n120 s100 s000 k100 T500 r000 s200 n000 n000 n000"},
	{"tracer panics while Run kills", "n300 n500 s500 s000 T500"},
	{"tracer panics and then a goexit while Run kills", "n400 n100 n706 s100 s700 s003 T500 x000"},
	{"killer given up by Run", "n100 n300 n400 s100 s300 s400 s000 n200 k100 s000"},
	{"dead parent of a killer given up by Run", "n500 n100 n410 s500 s000 s100 s000 s400 s000 f000 k100 s000 r000 s100 n000 n000"},
}

func TestModelFound(t *testing.T) {
	for _, f := range found {
		t.Run(f.name, func(t *testing.T) { check(t, model.Parse([]byte(f.program), maxSteps)) })
	}
}

func number(t *testing.T, name string, n int) int {
	if s := os.Getenv(name); s != "" {
		var err error
		if n, err = strconv.Atoi(s); err != nil {
			t.Fatal(name, err)
		}
	}
	return n
}
