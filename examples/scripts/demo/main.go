//go:build greenlet_foreign && cgo && linux

// Command demo compares Lua scripts on one thread with as many threads, each in a process of
// its own: make scripts.
package main

import (
	"errors"
	"flag"
	"fmt"
	"log"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
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

func main() {
	mode := flag.String("mode", "", "measure this: one (thread for all) or threads")
	n := flag.Int("n", 1000, "how many scripts at once")
	flag.Parse()
	var err error
	if *mode == "" {
		err = show(*n)
	} else {
		var m scripts.Measurement
		if m, err = scripts.Measure(*mode == "one", *n, 2, 500*time.Millisecond); err == nil {
			fmt.Printf("   %-8s %4d threads, %3d KiB for each script; median %.2f s, latest %.2f s\n",
				*mode, m.Threads, m.Memory>>10, m.Median.Seconds(), m.Latest.Seconds())
		}
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
