/*
Package inspect shows the greenlets of a running process: who lives, where each one waits,
what they did, and who does not let go.

Like net/http/pprof it is imported for what that does, and serves a page at
/debug/greenlets, if the program serves http.DefaultServeMux:

	import _ "github.com/go-greenlet/greenlet/inspect"

A program without an HTTP server calls [Serve], which listens on a Unix socket, or on
loopback with a token. The command greenlet (ps, top, stack, record) reads both. Nothing
listens unless it is asked for, and no page shows values that greenlets pass or keep.

	/debug/greenlets                 the page; ?format=text, ?format=json
	/debug/greenlets/ID              one greenlet, with its stack; the same formats
	/debug/greenlets/record          POST, with ?seconds=5: a time line, for ui.perfetto.dev;
	                                 of the last 250,000 events, or of as many as ?events= says

[Record] writes such a time line to a file, and [Watch] tells of greenlets that hold their
thread for too long.
*/
package inspect

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/go-greenlet/greenlet"
)

const path = "/debug/greenlets"

func init() {
	http.Handle(path, Handler())
	http.Handle(path+"/", Handler())
}

// Handler returns what serves /debug/greenlets and what is below. Importing the package
// registers it with http.DefaultServeMux.
func Handler() http.Handler { return http.HandlerFunc(serve) }

// writeTime is for a client that stops reading.
const writeTime = 30 * time.Second

// serve answers from a buffer, and holds nothing while it writes.
func serve(w http.ResponseWriter, r *http.Request) {
	_, rest, found := strings.Cut(r.URL.Path, path)
	if !found {
		rest = r.URL.Path
	}
	rest = strings.Trim(rest, "/")
	if rest == "record" {
		serveRecord(w, r)
		return
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "Only GET is possible here.", http.StatusMethodNotAllowed)
		return
	}
	if rest == "" {
		serveAll(w, r)
		return
	}
	id, err := strconv.ParseUint(rest, 10, 64)
	if err != nil {
		http.Error(w, fmt.Sprintf("There is nothing called %q here: a greenlet is asked for by its number.", rest), http.StatusNotFound)
		return
	}
	g := find(id)
	if g == nil {
		nobody(w, id)
		return
	}
	serveOne(w, r, g)
}

func nobody(w http.ResponseWriter, id uint64) {
	http.Error(w, fmt.Sprintf("There is no living greenlet with the number %d.", id), http.StatusNotFound)
}

// looking has a place for each of those that look at all greenlets at a time. Others wait: if
// there are thousands of clients, the greenlets are to get a processor, too.
var looking = make(chan struct{}, 2)

func find(id uint64) *greenlet.Greenlet {
	for g := range greenlet.All() {
		if g.ID() == id {
			return g
		}
	}
	return nil
}

// A form is how an answer is written.
type form int

const (
	formPage form = iota
	formText
	formJSON
)

// formOf says which form is asked for. It has answered if there is no such form.
func formOf(w http.ResponseWriter, r *http.Request) (f form, ok bool) {
	switch format := r.URL.Query().Get("format"); format {
	case "json":
		return formJSON, true
	case "text":
		return formText, true
	case "html":
		return formPage, true
	case "":
		switch accept := r.Header.Get("Accept"); {
		case strings.Contains(accept, "text/html"):
		case strings.Contains(accept, "application/json"):
			return formJSON, true
		case strings.HasPrefix(accept, "text/plain"):
			return formText, true
		}
		return formPage, true
	default:
		http.Error(w, fmt.Sprintf("There is no format %q: there are html, text and json.", format), http.StatusNotFound)
		return 0, false
	}
}

func serveAll(w http.ResponseWriter, r *http.Request) {
	f, ok := formOf(w, r)
	if !ok {
		return
	}
	var tasklets []tasklets
	if f != formText {
		tasklets = lookAtTasklets() // it may have to wait for an answer
	}
	select {
	case looking <- struct{}{}:
	case <-r.Context().Done():
		return
	}
	b, err := allIn(f, r, tasklets)
	answer(w, f, b, err)
}

func allIn(f form, r *http.Request, tasklets []tasklets) (*bytes.Buffer, error) {
	defer func() { <-looking }()
	var b bytes.Buffer
	var err error
	switch f {
	case formText:
		err = greenlet.Dump(&b)
	case formJSON:
		err = writeJSON(&b, look(tasklets))
	default:
		err = writePage(&b, r, look(tasklets))
	}
	return &b, err
}

func serveOne(w http.ResponseWriter, r *http.Request, g *greenlet.Greenlet) {
	f, ok := formOf(w, r)
	if !ok {
		return
	}
	one := lookAt(g)
	if one.State == greenlet.Dead.String() {
		nobody(w, g.ID()) // it has ended since it was found
		return
	}
	var b bytes.Buffer
	var err error
	switch f {
	case formText:
		fmt.Fprintf(&b, "%v\n", g)
		for _, p := range one.Stack {
			fmt.Fprintf(&b, "%s\n\t%s:%d\n", p.Func, p.File, p.Line)
		}
	case formJSON:
		err = writeJSON(&b, one)
	default:
		err = writeOne(&b, r, one)
	}
	answer(w, f, &b, err)
}

func writeJSON(b *bytes.Buffer, v any) error { return json.NewEncoder(b).Encode(v) }

func answer(w http.ResponseWriter, f form, b *bytes.Buffer, err error) {
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	headers(w, f)
	deadline(w, writeTime)
	_, _ = b.WriteTo(w) // there is nobody to tell when the client has gone
}

func headers(w http.ResponseWriter, f form) {
	h := w.Header()
	h.Set("Content-Type", [...]string{"text/html; charset=utf-8", "text/plain; charset=utf-8", "application/json"}[f])
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; form-action 'self'")
}

// deadline ends the answer's writing after that time, where the server can do that.
func deadline(w http.ResponseWriter, d time.Duration) {
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(d))
}

// DumpOn writes a greenlet.Dump to w whenever the process gets one of the signals, until
// stop is called.
func DumpOn(w io.Writer, signals ...os.Signal) (stop func()) {
	if len(signals) == 0 {
		return func() {} // signal.Notify would take it for all signals
	}
	c, done := make(chan os.Signal, 1), make(chan struct{})
	signal.Notify(c, signals...)
	go func() {
		defer close(done)
		for range c {
			if err := greenlet.Dump(w); err != nil {
				fmt.Fprintln(os.Stderr, "greenlet: the dump that a signal has asked for:", err)
			}
		}
	}()
	return sync.OnceFunc(func() {
		signal.Stop(c)
		close(c)
		<-done
	})
}
