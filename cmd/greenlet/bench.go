//go:build cgo && linux

package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/go-greenlet/greenlet"
	"github.com/go-greenlet/greenlet/internal/bench"
)

// benchmark prints the costs of operations here and with the peers, and their ratios. The sides
// of a case take turns in short rounds, so that other load on the machine affects all of them
// alike. Times are medians of rounds, and the ratio is the median of the rounds' ratios.
func benchmark(args []string, stdout io.Writer) error {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(io.Discard) // run prints the error
	quick := flags.Bool("quick", false, "")
	pattern := flags.String("run", "", "")
	svg := flags.String("svg", "", "")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	only, err := regexp.Compile(*pattern)
	if err != nil {
		return err
	}
	var picture *os.File // created first, so that a bad path is an error before the measurements
	if *svg != "" {
		if picture, err = os.Create(*svg); err != nil {
			return err
		}
		defer picture.Close()
	}
	how := rounds{n: 21, length: 20 * time.Millisecond}
	if *quick {
		how = rounds{n: 3, length: time.Millisecond}
	}
	fmt.Fprintf(stdout, "%s on %s/%s, %s\nstacks switched by: %s; switches: %s\n\n",
		runtime.Version(), runtime.GOOS, runtime.GOARCH, machine(), greenlet.Backend(), greenlet.Runtime())
	t := newTable(stdout)
	for _, c := range bench.Cases() {
		for _, procs := range c.Procs {
			if name := fmt.Sprintf("%s-%d", c.Name, procs); only.MatchString(name) {
				if err := t.measure(name, c, procs, how); err != nil {
					return fmt.Errorf("%s: %w", name, err)
				}
			}
		}
	}
	for _, c := range childCases(*quick) {
		if only.MatchString(c.name) {
			if err := t.child(c); err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
		}
	}
	if err := t.end(); err != nil || picture == nil {
		return err
	}
	series, err := curves(how, *quick)
	if err != nil {
		return err
	}
	return errors.Join(plot(picture, series), picture.Close())
}

// rounds is the plan of a measurement.
type rounds struct {
	n      int           // number of rounds; each side has a turn in each
	length time.Duration // approximate duration of a turn
}

// A turn runs one side of a case, on a goroutine of its own, which waits between its turns.
type turn struct {
	side  bench.Side
	n     chan int           // the number of operations of the next turn; closed: the end
	took  chan time.Duration // the duration of a turn
	ended chan error         // the result of side.Do
	ops   int                // operations in each turn; see calibrate
	ns    []float64          // nanoseconds per operation, one for each round
}

func newTurn(side bench.Side) *turn {
	t := &turn{side: side, n: make(chan int), took: make(chan time.Duration), ended: make(chan error, 1)}
	go func() {
		t.ended <- side.Do(func(op func(n int)) {
			for n := range t.n {
				begin := time.Now()
				op(n)
				t.took <- time.Since(begin)
			}
		})
	}()
	return t
}

// do does n operations and returns how long they took. An error means that the side has ended.
func (t *turn) do(n int) (time.Duration, error) {
	select {
	case t.n <- n:
	case err := <-t.ended: // it ended before it called the function that measures
		if err == nil {
			err = errors.New("it measured nothing")
		}
		t.ended <- err
		return 0, err
	}
	return <-t.took, nil
}

func (t *turn) end() error {
	close(t.n)
	return <-t.ended
}

// calibrate sets t.ops so that a turn takes about length.
func (t *turn) calibrate(length time.Duration) error {
	for t.ops = 64; ; t.ops *= 2 { // an even number, since half of the operations may go one way and half of them back
		d, err := t.do(t.ops)
		if err != nil || d >= length/2 {
			return err
		}
	}
}

// interleave runs the sides in turns, and returns for each side its nanoseconds per operation, one
// number for each round; nil for a side that is not built in.
func interleave(sides []bench.Side, how rounds) (ns [][]float64, err error) {
	turns := make([]*turn, len(sides))
	for i, side := range sides {
		t := newTurn(side)
		switch e := t.calibrate(how.length); {
		case errors.Is(e, bench.ErrNotBuiltIn):
		case e != nil:
			err = errors.Join(err, fmt.Errorf("%s: %w", side.Name, e))
		default:
			turns[i] = t
		}
	}
	for range how.n {
		// In a random order: in a fixed one, collections keep step with the turns, and are one side's
		// in nearly all rounds.
		for _, i := range rand.Perm(len(turns)) {
			t := turns[i]
			if t == nil || err != nil {
				continue
			}
			d, e := t.do(t.ops)
			err = errors.Join(err, e)
			t.ns = append(t.ns, float64(d.Nanoseconds())/float64(t.ops))
		}
	}
	ns = make([][]float64, len(sides))
	for i, t := range turns {
		if t != nil {
			ns[i] = t.ns
			err = errors.Join(err, t.end())
		}
	}
	return ns, err
}

func median(x []float64) float64 {
	x = slices.Sorted(slices.Values(x))
	return x[len(x)/2]
}

// ratio returns the median of the ratios of a to b, round by round.
func ratio(a, b []float64) float64 {
	r := make([]float64, len(a))
	for i := range a {
		r[i] = a[i] / b[i]
	}
	return median(r)
}

// A table has a line for each comparison.
type table struct{ w *tabwriter.Writer }

func newTable(w io.Writer) *table {
	t := &table{tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)}
	t.line("case", "ours", "", "", "peer", "ratio", "at most", "of")
	return t
}

// line writes a line, of several cells. The tabwriter buffers such lines until Flush, so end returns
// the errors of writing.
func (t *table) line(cells ...string) {
	fmt.Fprintln(t.w, strings.TrimRight(strings.Join(cells, "\t"), "\t"))
}

func (t *table) end() error { return t.w.Flush() }

// measure measures one case at a number of processors.
func (t *table) measure(name string, c bench.Case, procs int, how rounds) error {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(procs))
	if c.Beside {
		how.length *= 5 // so that a turn has several of the scheduler's time slices
		stop := bench.Beside(2)
		defer stop()
	}
	runtime.GC()
	ns, err := interleave(c.Sides, how)
	if err != nil {
		return err
	}
	for i, side := range c.Sides[1:] {
		atMost := ""
		if i == 0 && c.AtMost > 0 {
			atMost = fmt.Sprintf("%.2f", c.AtMost)
		}
		peer, r := "not built in", ""
		if ns[i+1] != nil {
			peer, r = nanoseconds(median(ns[i+1])), fmt.Sprintf("%.3f", ratio(ns[0], ns[i+1]))
		}
		t.line(name, nanoseconds(median(ns[0])), "against", side.Name, peer, r, atMost, c.Op)
	}
	return nil
}

func nanoseconds(ns float64) string { return fmt.Sprintf("%.1f ns", ns) }

// machine returns the number and the model of the processors.
func machine() string {
	model := "an unknown processor"
	if b, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(b)) {
			if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
				model = strings.TrimSpace(value)
				break
			}
		}
	}
	return fmt.Sprintf("%d x %s", runtime.NumCPU(), model)
}
