//go:build cgo && linux

package main

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/go-greenlet/greenlet"
	"github.com/go-greenlet/greenlet/internal/bench"
	"github.com/go-greenlet/greenlet/internal/cbench"
)

// benchChild is the subcommand of a child process that makes one measurement and prints one or two
// numbers: that of greenlets, and the peer's.
const benchChild = "bench-child"

func init() {
	if len(os.Args) > 1 && os.Args[1] == benchChild {
		runtime.LockOSThread() // in init, so that main runs on the process's first thread
	}
}

// A childCase needs a process of its own: a fresh one, its first thread, or another
// environment.
type childCase struct {
	name, op string
	unit     string   // empty: the number is a ratio
	atMost   string   // the bound, as the table shows it
	env      []string // added to the child's environment
	ours     []string // arguments of the child
	peer     []string // arguments of a second child; empty if the first prints both numbers, or there is no peer
	peerName string
	rounds   int
}

func childCases(quick bool) []childCase {
	many, rounds, length := "100000", 5, "20ms"
	if quick {
		many, rounds, length = "1000", 1, "1ms"
	}
	return []childCase{
		{name: "first-thread", op: "callback on a greenlet's stack, process's first thread", unit: "ns", atMost: "1.30",
			ours: []string{"first-thread", length}, peerName: "thread", rounds: rounds},
		// On the portable engine each greenlet has a thread. The Ms of a ring of two can both keep
		// a P where there are two Ps; those of a ring of a hundred cannot.
		{name: "plain-path/2-1", op: "one way in a ring of 2, GREENLET_RUNTIME=plain", unit: "ns", atMost: "3.00",
			env: []string{"GREENLET_RUNTIME=plain"}, ours: []string{"ring", "2", "1", length}, peerName: "iter.Pull", rounds: rounds},
		{name: "plain-path/100-2", op: "the same, ring of 100", unit: "ns", atMost: "3.00",
			env: []string{"GREENLET_RUNTIME=plain"}, ours: []string{"ring", "100", "2", length}, peerName: "iter.Pull", rounds: rounds},
		{name: "cold-start", op: many + " new ones, until each is suspended", unit: "ns", atMost: "10.00",
			ours: []string{"cold", "greenlet", many}, peer: []string{"cold", "iter.Pull", many}, peerName: "iter.Pull", rounds: rounds},
		{name: "memory", op: "resident for each of " + many + " suspended ones", unit: "KiB", atMost: "16 KiB",
			ours: []string{"memory", "greenlet", many}, peer: []string{"memory", "iter.Pull", many}, peerName: "iter.Pull", rounds: 1},
		{name: "profile/200", op: "CPU profile's total / CPU time spent, 200 live", atMost: "0.85-1.15",
			ours: []string{"profile", "200"}, rounds: rounds},
		{name: "profile/10000", op: "the same, 10,000 live", atMost: "0.85-1.15",
			ours: []string{"profile", "10000"}, rounds: rounds},
	}
}

// child measures a case in child processes, and writes its line.
func (t *table) child(c childCase) error {
	var ours, peer []float64
	for range c.rounds {
		a, err := runChild(c.env, c.ours)
		if err != nil {
			return err
		}
		if len(c.peer) > 0 {
			b, err := runChild(c.env, c.peer)
			if err != nil {
				return err
			}
			a = append(a, b...)
		}
		ours = append(ours, a[0])
		if len(a) > 1 {
			peer = append(peer, a[1])
		}
	}
	show := func(v float64) string { return strings.TrimSpace(fmt.Sprintf("%.1f %s", v, c.unit)) }
	switch {
	case c.unit == "":
		t.line(c.name, fmt.Sprintf("%.3f", median(ours)), "", "", "", "", c.atMost, c.op)
	case peer == nil:
		return errors.New("the child printed one number instead of two")
	default:
		t.line(c.name, show(median(ours)), "against", c.peerName, show(median(peer)),
			fmt.Sprintf("%.3f", ratio(ours, peer)), c.atMost, c.op)
	}
	return nil
}

// runChild runs this program as a child process and returns the numbers that it prints.
func runChild(env, args []string) ([]float64, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(self, append([]string{benchChild}, args...)...)
	cmd.Env = append(os.Environ(), env...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%s: %w: %s", strings.Join(args, " "), err, stderr.String())
	}
	var numbers []float64
	for _, field := range strings.Fields(string(out)) {
		v, err := strconv.ParseFloat(field, 64)
		if err != nil {
			return nil, err
		}
		numbers = append(numbers, v)
	}
	if len(numbers) == 0 {
		return nil, fmt.Errorf("%s: it printed nothing", strings.Join(args, " "))
	}
	return numbers, nil
}

// measureInChild is the subcommand benchChild.
func measureInChild(args []string, stdout io.Writer) error {
	arg := func(i int) string {
		if i < len(args) {
			return args[i]
		}
		return ""
	}
	var numbers []float64
	var err error
	switch arg(0) {
	case "first-thread":
		var d time.Duration
		if d, err = time.ParseDuration(arg(1)); err == nil {
			numbers, err = callbacksHere(d)
		}
	case "ring":
		numbers, err = measureRing(arg(1), arg(2), arg(3))
	case "cold", "memory":
		var n int
		if n, err = strconv.Atoi(arg(2)); err == nil {
			numbers, err = startMany(arg(0), arg(1), n)
		}
	case "profile":
		var n int
		if n, err = strconv.Atoi(arg(1)); err == nil {
			numbers, err = profileRatio(n)
		}
	default:
		err = fmt.Errorf("%q is not measured", args)
	}
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(stdout, strings.Trim(fmt.Sprint(numbers), "[]"))
	return err
}

// callbacksHere returns nanoseconds per callback, on a greenlet's C stack and on this thread's own.
func callbacksHere(length time.Duration) (numbers []float64, err error) {
	const n = 10_000
	err = greenlet.Run(func(root *greenlet.Greenlet) error {
		var on, off []float64
		timed := func() float64 {
			begin := time.Now()
			cbench.CallBack(n)
			return float64(time.Since(begin).Nanoseconds()) / n
		}
		g := greenlet.New(func(any) (any, error) {
			for {
				on = append(on, timed())
				if _, err := root.Switch(nil); err != nil {
					return nil, err
				}
			}
		})
		for end := time.Now().Add(20 * length); len(off) < 3 || time.Now().Before(end); {
			if _, err := g.Switch(nil); err != nil {
				return err
			}
			off = append(off, timed())
		}
		numbers = []float64{median(on), median(off)}
		return nil
	})
	return numbers, err
}

// measureRing measures the case ring/size in this process, with that GOMAXPROCS.
func measureRing(size, procs, length string) ([]float64, error) {
	n, err := strconv.Atoi(procs)
	if err != nil {
		return nil, err
	}
	d, err := time.ParseDuration(length)
	if err != nil {
		return nil, err
	}
	runtime.GOMAXPROCS(n)
	for _, c := range bench.Cases() {
		if c.Name == "ring/"+size {
			ns, err := interleave(c.Sides[:2], rounds{11, d})
			if err != nil {
				return nil, err
			}
			return []float64{median(ns[0]), median(ns[1])}, nil
		}
	}
	return nil, fmt.Errorf("there is no ring of %q", size)
}

// startMany starts n coroutines, each of which is then suspended, and returns nanoseconds (cold) or
// resident KiB (memory) per coroutine. For greenlets it prints the number and exits.
func startMany(what, who string, n int) (numbers []float64, err error) {
	before, err := resident()
	if err != nil {
		return nil, err
	}
	begin := time.Now()
	measured := func() error {
		if what == "cold" {
			numbers = []float64{float64(time.Since(begin).Nanoseconds()) / float64(n)}
			return nil
		}
		after, err := resident()
		numbers = []float64{float64(after-before) / 1024 / float64(n)}
		return err
	}
	switch who {
	case "greenlet":
		return numbers, greenlet.Run(func(root *greenlet.Greenlet) error {
			all := make([]*greenlet.Greenlet, n)
			for i := range all {
				all[i] = greenlet.New(func(any) (any, error) { return root.Switch(nil) })
				if _, err := all[i].Switch(nil); err != nil {
					return err
				}
			}
			if err := measured(); err != nil {
				return err
			}
			fmt.Println(strings.Trim(fmt.Sprint(numbers), "[]"))
			os.Exit(0) // without the ends of the greenlets, which would take as long as their starts
			return nil
		})
	case "iter.Pull":
		done := make(chan error)
		go func() { // a goroutine that is not locked to its thread, where iter.Pull would be slower
			all := make([]func() (int, bool), n)
			for i := range all {
				next, stop := iter.Pull(func(yield func(int) bool) { yield(1) })
				defer stop()
				next()
				all[i] = next
			}
			err := measured()
			runtime.KeepAlive(all)
			done <- err
		}()
		return numbers, <-done
	}
	return nil, fmt.Errorf("%q is not measured", who)
}

// resident returns the resident memory of the process in bytes, after a collection.
func resident() (int, error) {
	runtime.GC()
	debug.FreeOSMemory()
	b, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0, err
	}
	var size, pages int
	if _, err := fmt.Sscan(string(b), &size, &pages); err != nil {
		return 0, err
	}
	return pages * os.Getpagesize(), nil
}

// profileRatio returns the ratio of a CPU profile's total to the CPU time that the process has used
// meanwhile, with so many live greenlets, half of which were started before the profile.
func profileRatio(live int) (numbers []float64, err error) {
	err = greenlet.Run(func(root *greenlet.Greenlet) error {
		var all []*greenlet.Greenlet
		add := func(n int) error {
			for range n {
				g := greenlet.New(func(any) (any, error) {
					for {
						cbench.CallBack(500)
						if _, err := root.Switch(nil); err != nil {
							return nil, err
						}
					}
				})
				if _, err := g.Switch(nil); err != nil {
					return err
				}
				all = append(all, g)
			}
			return nil
		}
		if err := add(live / 2); err != nil {
			return err
		}
		var prof bytes.Buffer
		begin := cpuTime()
		if err := pprof.StartCPUProfile(&prof); err != nil {
			return err
		}
		if err := add(live - len(all)); err != nil {
			return err
		}
		for cpuTime()-begin < 2*time.Second {
			for _, g := range all {
				if _, err := g.Switch(nil); err != nil {
					return err
				}
			}
		}
		pprof.StopCPUProfile()
		spent := cpuTime() - begin
		total, err := profileTotal(&prof)
		numbers = []float64{total.Seconds() / spent.Seconds()}
		return err
	})
	return numbers, err
}

// cpuTime returns the CPU time that the process has used.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err) // it fails only for bad arguments
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// profileTotal adds up the times of a CPU profile: the second value of every sample
// (profile.proto: Profile.sample is field 2, Sample.value field 2, packed or not).
func profileTotal(r io.Reader) (total time.Duration, err error) {
	z, err := gzip.NewReader(r)
	if err != nil {
		return 0, err
	}
	data, err := io.ReadAll(z)
	if err != nil {
		return 0, err
	}
	err = eachField(data, func(field, _ uint64, sample []byte) error {
		if field != 2 {
			return nil
		}
		var values []uint64
		err := eachField(sample, func(field, value uint64, packed []byte) error {
			if field == 2 && packed == nil {
				values = append(values, value)
			}
			for n := 0; field == 2 && len(packed) > 0; packed = packed[n:] {
				if value, n = binary.Uvarint(packed); n <= 0 {
					return errCutOff
				}
				values = append(values, value)
			}
			return nil
		})
		if err != nil {
			return err
		}
		if len(values) != 2 {
			return fmt.Errorf("the profile has a sample with %d values", len(values))
		}
		total += time.Duration(values[1])
		return nil
	})
	return total, err
}

var errCutOff = errors.New("the profile is cut off")

// eachField calls f with each field of a message in protocol buffer encoding: its number, and its
// value if it is a varint, or its content.
func eachField(b []byte, f func(field, value uint64, content []byte) error) error {
	for len(b) > 0 {
		key, n := binary.Uvarint(b)
		if n <= 0 {
			return errCutOff
		}
		b = b[n:]
		v, n := binary.Uvarint(b)
		if n <= 0 {
			return errCutOff
		}
		b = b[n:]
		var content []byte
		switch key & 7 {
		case 0:
		case 2:
			if v > uint64(len(b)) {
				return errCutOff
			}
			content, b = b[:v], b[v:]
		default:
			return fmt.Errorf("the profile has a field of type %d", key&7)
		}
		if err := f(key>>3, v, content); err != nil {
			return err
		}
	}
	return nil
}
