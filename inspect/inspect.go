/*
Package inspect shows the greenlets of a running process: which ones are alive, where each
is suspended, what they did, and which one keeps its thread without switching.

Like net/http/pprof it is imported for its side effect: it registers a page at
/debug/greenlets with http.DefaultServeMux, which the program serves:

	import _ "github.com/go-greenlet/greenlet/inspect"

A program without an HTTP server calls [Serve], which listens on a Unix socket, or on
loopback with a token. The command greenlet (ps, top, stack, record) reads both. The package
opens no socket by itself, and no page shows values that greenlets pass or keep.

	/debug/greenlets                 the page; ?format=text, ?format=json
	/debug/greenlets/ID              one greenlet, with its stack; the same formats
	/debug/greenlets/record          POST, with ?seconds=5: a time line, for ui.perfetto.dev;
	                                 of the last 250,000 events, or of as many as ?events= says

[Record] writes such a time line to a file, and [Watch] reports greenlets that hold their
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

// Handler returns the handler of /debug/greenlets and of the paths below it. Importing the
// package registers it with http.DefaultServeMux.
func Handler() http.Handler { return http.HandlerFunc(serve) }

// writeTime is the write deadline of an answer, so that a client that stops reading does not
// keep its connection and its buffer for ever.
const writeTime = 30 * time.Second

// serve routes a request. An answer is complete, in a buffer or in a finished recording, before the
// first byte is sent, and no lock or place in looking is held by then. So a slow client delays
// neither a tree nor another client.
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

// looking is a semaphore: it bounds how many requests enumerate all greenlets at the same time.
// Further ones wait, so that thousands of clients leave the trees some processor time.
var looking = make(chan struct{}, 2)

func find(id uint64) *greenlet.Greenlet {
	for g := range greenlet.All() {
		if g.ID() == id {
			return g
		}
	}
	return nil
}

// A form is the format of an answer.
type form int

const (
	formPage form = iota
	formText
	formJSON
)

// formOf returns the form that the request asks for, by ?format= or else by its Accept header.
// If there is no such form, it has written the error, and ok is false.
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
		tasklets = lookAtTasklets() // before the semaphore is taken, since it may wait for the roots' threads
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
		nobody(w, g.ID()) // it has ended since find returned it
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
	_, _ = b.WriteTo(w) // an error means that the client has gone, so nothing can be sent to it any more
}

func headers(w http.ResponseWriter, f form) {
	h := w.Header()
	h.Set("Content-Type", [...]string{"text/html; charset=utf-8", "text/plain; charset=utf-8", "application/json"}[f])
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; form-action 'self'")
}

// deadline bounds the time for which the answer may be written. A ResponseWriter that has no
// write deadline returns an error, which is ignored: its server then waits as long as it wants.
func deadline(w http.ResponseWriter, d time.Duration) {
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(d))
}

// DumpOn writes a greenlet.Dump to w whenever the process gets one of the signals, until
// stop is called.
func DumpOn(w io.Writer, signals ...os.Signal) (stop func()) {
	if len(signals) == 0 {
		return func() {} // signal.Notify without signals would relay all of them
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
