//go:build greenlet_foreign && cgo && linux

package scripts

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// A Measurement is of scripts that run at once. Threads and Memory are the most that there were.
type Measurement struct {
	Median, Latest time.Duration // of a script's life
	CPU            time.Duration // of the process, for each script
	Memory         int           // resident bytes, for each script
	Threads        int
}

// Measure runs n scripts at once, which wait so often for so long: in a server of one thread,
// or each on an OS thread of its own. It is for a process that has done nothing else.
func Measure(one bool, n, waits int, wait time.Duration) (m Measurement, err error) {
	code := fmt.Sprintf(`
		local sum = 0
		for i = 1, %d do
			for j = 1, 1000 do sum = sum + j end
			sleep(%g)
		end
		write(tostring(sum))`, waits, wait.Seconds())
	run := func() error { return onThread(code) }
	if one {
		s, end, err := serverOf(code)
		if err != nil {
			return m, err
		}
		defer func() { err = errors.Join(err, end()) }()
		run = func() error { return ask(s, waits) }
	}
	before, err := status("VmRSS:")
	if err != nil {
		return m, err
	}
	cpu := cpuTime()
	var all sync.WaitGroup
	begin, errs, took := make(chan struct{}), make([]error, n), make([]time.Duration, n)
	for i := range n {
		all.Add(1)
		go func() {
			defer all.Done()
			<-begin
			start := time.Now()
			errs[i] = run()
			took[i] = time.Since(start)
		}()
	}
	close(begin)
	done := make(chan struct{})
	go func() { all.Wait(); close(done) }()
	for more := true; more; {
		select {
		case <-done:
			more = false
		case <-time.After(20 * time.Millisecond):
			threads, err := status("Threads:")
			if err != nil {
				return m, err
			}
			m.Threads = max(m.Threads, threads)
		}
	}
	m.CPU = (cpuTime() - cpu) / time.Duration(n)
	most, err := status("VmHWM:")
	m.Memory = (most - before) << 10 / n
	slices.Sort(took)
	m.Median, m.Latest = took[n/2], took[n-1]
	return m, errors.Join(append(errs, err)...)
}

func onThread(code string) error {
	runtime.LockOSThread() // which ends with the goroutine
	h := &Host{
		Await: func(ctx context.Context, f func(context.Context) ([]byte, error)) ([]byte, error) { return f(ctx) },
		Yield: func() {},
	}
	return h.Run(context.Background(), code, "s", "", io.Discard)
}

// serverOf is a server of a script.
func serverOf(code string) (s *Server, end func() error, err error) {
	dir, err := os.MkdirTemp("", "greenlet-scripts-")
	if err != nil {
		return nil, nil, err
	}
	if err = os.WriteFile(filepath.Join(dir, "s"), []byte(code), 0o600); err == nil {
		s, err = NewServer(dir, Options{})
	}
	if err != nil {
		return nil, nil, errors.Join(err, os.RemoveAll(dir))
	}
	return s, func() error { return errors.Join(s.Close(), os.RemoveAll(dir)) }, nil
}

func ask(s *Server, waits int) error {
	var w answer
	q, err := http.NewRequest(http.MethodGet, "/s", nil)
	if err != nil {
		return err
	}
	if s.ServeHTTP(&w, q); w.String() != strconv.Itoa(waits*500500) {
		return errors.New(w.String())
	}
	return nil
}

// answer is what a handler answers.
type answer struct{ strings.Builder }

func (*answer) Header() http.Header { return http.Header{} }
func (*answer) WriteHeader(int)     {}

func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// status is a number that the system knows of this process.
func status(name string) (int, error) {
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(text), name)
	return strconv.Atoi(strings.Fields(rest)[0])
}
