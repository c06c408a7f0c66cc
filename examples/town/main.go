// Command town serves a page that shows 2,000 people of a small town, with the inspector beside
// it. Each person is a script in a greenlet of its own; one loop resumes them, 60 ticks a second.
package main

import (
	"context"
	_ "embed"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"time"

	_ "github.com/go-greenlet/greenlet/inspect" // registers /debug/greenlets
)

//go:embed town.html
var page []byte

func main() {
	addr := flag.String("addr", "127.0.0.1:8080", "where to listen; the page asks for no password")
	people := flag.Int("people", 2000, "how many")
	flag.Parse()
	if err := show(*addr, max(3, *people)); err != nil {
		fmt.Fprintln(os.Stderr, "town:", err)
		os.Exit(1)
	}
}

func show(addr string, people int) error {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	town := NewTown(people)
	town.Routes(http.DefaultServeMux)
	go func() { _ = http.Serve(l, nil) }() // until the process ends
	fmt.Printf("The town is at http://%s/\n", l.Addr())
	interrupted, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	return town.Run(interrupted.Done())
}

// Routes registers the town's pages with mux.
func (t *Town) Routes(mux *http.ServeMux) {
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write(page)
	})
	mux.HandleFunc("GET /events", t.events)
	mux.HandleFunc("POST /kill", t.with((*Person).Kill))
	mux.HandleFunc("POST /reload", t.with((*Person).Reload))
}

// events sends the latest picture ten times a second, as server-sent events. A client that reads
// slowly gets fewer pictures, and does not delay the loop.
func (t *Town) events(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	var last *[]byte
	for tick := time.NewTicker(100 * time.Millisecond); ; {
		if now := t.picture.Load(); now != nil && now != last {
			if _, err := fmt.Fprintf(w, "data: %s\n\n", *now); err != nil {
				return
			}
			_ = http.NewResponseController(w).Flush()
			last = now
		}
		select {
		case <-tick.C:
		case <-r.Context().Done():
			return
		}
	}
}

// with returns a handler that calls f, on the loop, with the person whose number is ?n=.
func (t *Town) with(f func(*Person) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		n, err := strconv.Atoi(r.URL.Query().Get("n"))
		if err != nil || n < 0 || n >= len(t.people) {
			http.Error(w, "Nobody has that number.", http.StatusNotFound)
			return
		}
		t.Do(func() { err = f(t.people[n]) })
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	}
}
