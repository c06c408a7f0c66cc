//go:build greenlet_foreign && cgo && linux

package scripts

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/go-greenlet/greenlet"
	"github.com/go-greenlet/greenlet/examples/sqlite"
	"github.com/go-greenlet/greenlet/tasklet"
)

var (
	// ErrTooLong ends a script at its time limit.
	ErrTooLong = errors.New("scripts: the script takes too long")
	// ErrClosed ends the scripts that still run when their server is closed.
	ErrClosed = errors.New("scripts: the server is closed")
)

// Options of a server.
type Options struct {
	Limit  time.Duration // of a script's life; 0: none
	Client *http.Client  // nil: http.DefaultClient
	DB     *sqlite.Shared
}

// A Server is an http.Handler that runs the Lua file that the request's path names. All of its
// scripts run on one thread, in turns; those that wait hold up nobody.
type Server struct {
	dir   string
	limit time.Duration
	host  Host

	ctx   context.Context
	end   context.CancelCauseFunc
	jobs  *tasklet.Channel[*job]
	ended chan struct{} // err is set
	err   error
}

type job struct {
	run  func()
	done chan struct{}
}

// NewServer serves the files in dir until Close.
func NewServer(dir string, o Options) (*Server, error) {
	s := &Server{dir: dir, limit: o.Limit, ended: make(chan struct{})}
	s.host = Host{o.Client, o.DB, tasklet.AwaitContext[[]byte], tasklet.Schedule}
	if s.host.Client == nil {
		s.host.Client = http.DefaultClient
	}
	s.ctx, s.end = context.WithCancelCause(context.Background())
	ready := make(chan struct{})
	go func() {
		defer close(s.ended)
		s.err = greenlet.Run(func(*greenlet.Greenlet) error {
			s.jobs = tasklet.NewChannel[*job](tasklet.WithName("requests"), tasklet.WithPosts())
			close(ready)
			tasklet.Go(func() {
				for j := range s.jobs.All() {
					tasklet.Go(func() {
						defer close(j.done)
						j.run()
					})
				}
			})
			return tasklet.Run()
		})
	}()
	<-ready
	return s, nil
}

// Close ends the scripts that still run, and returns when they have ended.
func (s *Server) Close() error {
	s.end(ErrClosed)
	s.jobs.Close()
	<-s.ended
	return s.err
}

// ServeHTTP runs the script on the server's thread. It ends with the request's context, which
// ends when the client goes away, at the time limit, and with the server.
func (s *Server) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	code, err := os.ReadFile(filepath.Join(s.dir, filepath.Clean("/"+q.URL.Path)))
	if err != nil {
		http.NotFound(w, q)
		return
	}
	ctx, cancel := context.WithCancelCause(q.Context())
	defer cancel(nil)
	defer context.AfterFunc(s.ctx, func() { cancel(ErrClosed) })()
	if s.limit > 0 {
		var end context.CancelFunc
		ctx, end = context.WithTimeoutCause(ctx, s.limit, ErrTooLong)
		defer end()
	}
	var out bytes.Buffer
	j := &job{done: make(chan struct{})}
	j.run = func() {
		defer func() {
			if p := recover(); p != nil { // the thread is everybody's
				err = fmt.Errorf("scripts: panic: %v", p)
			}
		}()
		err = s.host.Run(ctx, string(code), q.URL.Path, q.URL.RawQuery, &out)
	}
	if s.jobs.Post(j) != nil {
		http.Error(w, ErrClosed.Error(), http.StatusServiceUnavailable)
		return
	}
	select {
	case <-j.done:
	case <-s.ended: // it was posted, and nobody has received it
		err = ErrClosed
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	_, _ = w.Write(out.Bytes()) // an error is that the client has gone
}
