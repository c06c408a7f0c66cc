//go:build greenlet_foreign && cgo && linux

// Command demo compares Lua scripts on one thread with as many threads, each in a process of
// its own: make scripts.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/go-greenlet/greenlet/examples/internal/local"
	"github.com/go-greenlet/greenlet/examples/scripts"
	"github.com/go-greenlet/greenlet/examples/sqlite"
)

const shown = `
for _, row in ipairs(query("select 6 * 7")) do write("   query: " .. row[1] .. "\n") end
write("   fetch: " .. fetch(request.query) .. "\n")
local ok, e = pcall(fetch, "nowhere:")
write("   an error of Go, caught in Lua: " .. e .. "\n")`

const measured = `
local sum = 0
for i = 1, 1000 do sum = sum + i end
sleep(0.5)
sleep(0.5)
write("done")`

func main() {
	mode := flag.String("mode", "", "measure this: one or threads")
	n := flag.Int("n", 1000, "how many scripts at once")
	flag.Parse()
	var err error
	if *mode == "" {
		err = show(*n)
	} else {
		err = measure(*mode == "one", *n)
	}
	if err != nil {
		log.Fatal(err)
	}
}

func show(n int) error {
	dir, err := os.MkdirTemp("", "greenlet-scripts-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }() // it is the system's to clean up, too
	for name, code := range map[string]string{"shown": shown, "loop": "while true do end"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(code), 0o600); err != nil {
			return err
		}
	}
	db, err := sqlite.Open(":memory:")
	if err != nil {
		return err
	}
	s, err := scripts.NewServer(dir, scripts.Options{Limit: time.Second, DB: sqlite.Share(db)})
	if err != nil {
		return err
	}
	web, err := local.Serve(s)
	if err != nil {
		return err
	}
	slow, err := local.Serve(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		time.Sleep(200 * time.Millisecond)
		fmt.Fprint(w, "what a slow server has to say")
	}))
	if err != nil {
		return err
	}
	fmt.Println("1. One script loops; another one waits for a slow server and a database meanwhile")
	fmt.Println()
	looped := make(chan string)
	go func() { looped <- local.Get(web + "/loop") }()
	fmt.Print(local.Get(web + "/shown?" + slow))
	fmt.Printf("   the loop: %s\n", <-looped)
	if err := errors.Join(s.Close(), db.Close()); err != nil {
		return err
	}
	fmt.Printf("2. %d scripts at once, each of which waits for half a second twice\n\n", n)
	for _, mode := range []string{"one", "threads"} {
		c := exec.Command(os.Args[0], "-mode", mode, "-n", strconv.Itoa(n))
		c.Stdout, c.Stderr = os.Stdout, os.Stderr
		if err := c.Run(); err != nil {
			return err
		}
	}
	return nil
}

// measure runs n scripts at once, by a server of one thread or on threads of their own.
func measure(one bool, n int) error {
	run, what := onThreads(), "a thread for each"
	if one {
		what = "one thread for all"
		dir, err := os.MkdirTemp("", "greenlet-scripts-")
		if err != nil {
			return err
		}
		defer func() { _ = os.RemoveAll(dir) }()
		if err := os.WriteFile(filepath.Join(dir, "s"), []byte(measured), 0o600); err != nil {
			return err
		}
		s, err := scripts.NewServer(dir, scripts.Options{})
		if err != nil {
			return err
		}
		run = func() error {
			var w answer
			q, err := http.NewRequest(http.MethodGet, "/s", nil)
			if err != nil {
				return err
			}
			if s.ServeHTTP(&w, q); w.String() != "done" {
				return errors.New(w.String())
			}
			return nil
		}
	}
	before, err := status("VmRSS:")
	if err != nil {
		return err
	}
	var all sync.WaitGroup
	errs, took := make([]error, n), make([]time.Duration, n)
	for i := range n {
		all.Add(1)
		go func() {
			defer all.Done()
			start := time.Now()
			errs[i] = run()
			took[i] = time.Since(start)
		}()
	}
	time.Sleep(400 * time.Millisecond)
	threads, err := status("Threads:")
	all.Wait()
	if err := errors.Join(append(errs, err)...); err != nil {
		return err
	}
	most, err := status("VmHWM:")
	slices.Sort(took)
	fmt.Printf("   %-19s %4d threads, %3d KiB for each script; median %.2f s, latest %.2f s\n",
		what, threads, (most-before)/n, took[n/2].Seconds(), took[n-1].Seconds())
	return err
}

func onThreads() func() error {
	h := &scripts.Host{
		Await: func(ctx context.Context, f func(context.Context) ([]byte, error)) ([]byte, error) { return f(ctx) },
		Yield: func() {},
	}
	return func() error {
		runtime.LockOSThread() // which ends with the goroutine
		return h.Run(context.Background(), measured, "s", "", io.Discard)
	}
}

// answer is what a handler answers.
type answer struct{ strings.Builder }

func (*answer) Header() http.Header { return http.Header{} }
func (*answer) WriteHeader(int)     {}

// status is a number that the system knows of this process.
func status(name string) (int, error) {
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(text), name)
	return strconv.Atoi(strings.Fields(rest)[0])
}
