//go:build greenlet_php && cgo && linux

package php

/*
#cgo CFLAGS: -I${SRCDIR}/../../csrc -O2
#cgo LDFLAGS: -lphp
#include <stdlib.h>
#include "bridge.h"
*/
import "C"

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"unsafe"

	"github.com/go-greenlet/greenlet"
)

var (
	// ErrFatal: the script had a fatal error, which is in what it has printed.
	ErrFatal  = errors.New("php: a fatal error")
	errEnded  = errors.New("php: the request has ended")
	errPlace  = errors.New("finish() and serve() are for the main script, not for a fiber")
	errOther  = errors.New("php: another request has not ended")
	errInside = errors.New("give() is for a script in a greenlet")
	errEarly  = errors.New("the fiber was resumed while it waited for Go")
)

// php is the process's PHP: Debian's is built for one thread, and has one request at a time.
var php = struct {
	start  sync.Once
	err    error
	calls  chan func()
	now    *request // on PHP's thread only
	unsafe bool     // Go is told nothing of fibers: for a test
}{calls: make(chan func())}

func start() error {
	php.start.Do(func() {
		ready := make(chan error)
		go func() {
			runtime.LockOSThread() // for good: PHP and its fibers stay on this thread
			adopt := C.int(1)
			if php.unsafe {
				adopt = 0
			}
			if C.php_start(adopt) != 0 {
				ready <- errors.New("php: it does not start")
				return
			}
			ready <- nil
			for call := range php.calls {
				call()
			}
		}()
		php.err = <-ready
	})
	return php.err
}

// Fibers returns how many PHP fibers Go knows of, and how many it could not be made to
// forget, since a fatal error has left Go frames on them (on the portable engine only).
// To be asked while no script runs.
func Fibers() (known, kept int) { return int(C.php_fibers), int(C.php_kept) }

// A request is a script that runs on PHP's main context, and what its fibers wait for.
type request struct {
	ctx      context.Context // ends with the request
	end      context.CancelFunc
	code     string
	out      bytes.Buffer
	done     chan *work // whose goroutine is ready
	waiting  int        // of these
	jobs     chan *job  // nil, or what Server asks for
	inside   bool       // it runs in a greenlet, for give()
	running  map[int]*job
	lastJob  int
	err      error
	finished chan struct{}
}

func newRequest(ctx context.Context, code string) *request {
	r := &request{code: code, done: make(chan *work), running: map[int]*job{}, finished: make(chan struct{})}
	r.ctx, r.end = context.WithCancel(ctx)
	return r
}

func (r *request) run() {
	defer close(r.finished)
	defer r.end()
	code := C.CString(r.code)
	defer C.free(unsafe.Pointer(code))
	php.now = r
	defer context.AfterFunc(r.ctx, func() { C.php_interrupt() })()
	switch C.php_run(code) {
	case C.PHP_OK:
		if r.err == nil && r.ctx.Err() != nil && r.jobs == nil {
			r.err = context.Cause(r.ctx)
		}
	case C.PHP_BAILOUT:
		r.err = ErrFatal
	default:
		r.err = errors.New("php: the request does not begin")
	}
	php.now = nil
	for _, j := range r.running {
		j.finish(errEnded)
	}
}

// Run runs PHP code (without <?php) as a request of its own, and returns what it has printed.
// Scripts wait for each other. The end of ctx ends the script, as exit() would, and Run returns
// the context's cause.
func Run(ctx context.Context, code string) (string, error) {
	if err := start(); err != nil {
		return "", err
	}
	if strings.Contains(code, "\x00") {
		return "", errors.New("php: a NUL byte in the code")
	}
	r := newRequest(ctx, code)
	defer r.end()
	php.calls <- r.run
	<-r.finished
	return r.out.String(), r.err
}

// Do calls f on PHP's thread, as the root of a tree of greenlets. No request begins meanwhile,
// but by New.
func Do(f func() error) error {
	if err := start(); err != nil {
		return err
	}
	done := make(chan error)
	php.calls <- func() {
		done <- greenlet.Run(func(*greenlet.Greenlet) error { return f() })
	}
	return <-done
}

// stack is for PHP's compiler and all that it calls.
const stack = 1 << 20

// New makes a greenlet that runs PHP code as a request, for the function of a Do. In it
// give(text) switches to the greenlet's parent with the text, and returns the text that the
// greenlet is gone on with. What the code prints goes to out.
//
// When it is killed in there, or thrown at, PHP unwinds as after exit(): no catch or finally
// block runs, but destructors and shutdown functions do. PHP has one request at a time.
func New(code string, out *bytes.Buffer) *greenlet.Greenlet {
	return greenlet.New(func(any) (any, error) {
		if php.now != nil {
			return nil, errOther
		}
		r := newRequest(context.Background(), code)
		r.inside = true
		r.run()
		out.Write(r.out.Bytes())
		return nil, r.err
	}, greenlet.WithStackSize(stack))
}

//export phpGive
func phpGive(text *C.char, n C.size_t, a *C.php_answer) C.int {
	return answer(a, func() (string, error) {
		r := php.now
		if !r.inside {
			return "", errInside
		}
		v, err := greenlet.Current().Parent().Switch(C.GoStringN(text, C.int(n)))
		if err != nil {
			r.err = err // the greenlet's, when PHP has unwound
			r.end()     // and a fiber that keeps the exit to itself does not go on
			C.php_interrupt()
			return "", errExit
		}
		s, ok := v.(string)
		if !ok {
			return "", fmt.Errorf("give() was answered with a %T", v)
		}
		return s, nil
	})
}

// work is what a goroutine does for PHP.
type work struct {
	fiber   *C.php_fiber // who waits; nil: the main script
	dropped bool         // who waits no more
	ready   bool
	text    string
	err     error
}

// A result is how a function that PHP has called goes on in PHP.
type result C.int

func (r result) Error() string { return fmt.Sprint("php: result ", int(r)) }

// errExit ends the script: its request's context has ended.
var errExit = result(C.PHP_EXIT)

// await does f on a goroutine. It suspends the PHP fiber that runs, with the Go frames that
// are on it; the main script runs fibers meanwhile.
func await(f func(ctx context.Context) (string, error)) (string, error) {
	r := php.now
	if r.ctx.Err() != nil {
		return "", errExit
	}
	w := &work{fiber: C.php_current()}
	r.waiting++
	go func() {
		defer func() {
			if p := recover(); p != nil {
				w.err = fmt.Errorf("panic: %v", p)
			}
			select {
			case r.done <- w:
			case <-r.ctx.Done():
			}
		}()
		w.text, w.err = f(r.ctx)
	}()
	if w.fiber == nil {
		if err := r.pump(func() bool { return w.ready }); err != nil {
			return "", err
		}
		return w.text, w.err
	}
	code := C.php_suspend() // the other fibers run here
	C.php_release(w.fiber)
	if code != C.PHP_OK { // thrown at, or it is being destroyed
		w.dropped = true
		return "", result(code)
	}
	if !w.ready {
		w.dropped = true
		return "", errEarly
	}
	return w.text, w.err
}

// pump lets fibers run as soon as what they wait for is done, until stop.
func (r *request) pump(stop func() bool) error {
	for !stop() {
		code := C.int(C.PHP_OK)
		select {
		case w := <-r.done:
			r.waiting--
			w.ready = true
			if w.fiber != nil && !w.dropped {
				code = C.php_resume(w.fiber)
			}
		case j := <-r.jobs:
			code = r.begin(j)
		case <-r.ctx.Done():
			return errExit
		}
		if code == C.PHP_THROWN && r.jobs != nil { // in a server it is nobody else's
			code = r.caught()
		}
		r.reap()
		if code != C.PHP_OK {
			return result(code)
		}
	}
	return nil
}

// answer calls f for PHP, and tells PHP what has become of it.
func answer(a *C.php_answer, f func() (string, error)) (code C.int) {
	fail := func(text string) {
		a.text, a.size = C.CString(text), C.size_t(len(text))
		code = C.PHP_FAILED
	}
	defer func() {
		if p := recover(); p != nil {
			fail(fmt.Sprint("panic: ", p))
		}
	}()
	text, err := f()
	var r result
	switch {
	case errors.As(err, &r):
		return C.int(r)
	case err != nil:
		fail(err.Error())
		return code
	}
	a.text, a.size = (*C.char)(C.CBytes(append([]byte(text), 0))), C.size_t(len(text))
	return C.PHP_OK
}

//export phpFinish
func phpFinish(a *C.php_answer) C.int {
	return answer(a, func() (string, error) {
		if !onMain() {
			return "", errPlace
		}
		r := php.now
		return "", r.pump(func() bool { return r.waiting == 0 })
	})
}

//export phpServe
func phpServe(a *C.php_answer) C.int {
	return answer(a, func() (string, error) {
		r := php.now
		if !onMain() || r.jobs == nil {
			return "", errPlace
		}
		return "", r.pump(func() bool { return false })
	})
}

//export phpEnded
func phpEnded() C.int {
	if r := php.now; r != nil && r.ctx.Err() != nil {
		return 1
	}
	return 0
}

func onMain() bool {
	f := C.php_current()
	if f != nil {
		C.php_release(f)
	}
	return f == nil
}

//export phpThrough
func phpThrough(f *C.php_callable, a *C.php_answer) C.int {
	return answer(a, func() (string, error) {
		if code := C.php_call(f); code != C.PHP_OK {
			return "", result(code)
		}
		return "", nil
	})
}

//export phpPanic
func phpPanic(text *C.char, n C.size_t, a *C.php_answer) C.int {
	return answer(a, func() (string, error) { panic(C.GoStringN(text, C.int(n))) })
}

//export phpPrint
func phpPrint(job C.uintptr_t, text *C.char, n C.size_t) {
	r := php.now
	if r == nil {
		return // PHP ends
	}
	b := unsafe.Slice((*byte)(unsafe.Pointer(text)), int(n))
	if job == 0 {
		r.out.Write(b)
	} else if j := r.running[int(job)]; j != nil {
		j.out.Write(b)
	}
}

//export phpLog
func phpLog(text *C.char) {
	if php.now != nil {
		fmt.Fprintln(&php.now.out, C.GoString(text))
	}
}

// A job is a file that runs in a fiber of its own.
type job struct {
	id       int
	file     string
	request  string
	fiber    *C.php_fiber
	out      bytes.Buffer
	err      error
	finished chan struct{}
}

func (j *job) finish(err error) {
	j.err = errors.Join(j.err, err)
	close(j.finished)
}

func (r *request) begin(j *job) C.int {
	r.lastJob++
	j.id = r.lastJob
	r.running[j.id] = j
	file, request := C.CString(j.file), C.CString(j.request)
	defer C.free(unsafe.Pointer(file))
	defer C.free(unsafe.Pointer(request))
	return C.php_new(&j.fiber, C.uintptr_t(j.id), file, request)
}

// reap ends the jobs whose fibers have ended.
func (r *request) reap() {
	for id, j := range r.running {
		if j.fiber == nil || C.php_dead(j.fiber) != 0 {
			if j.fiber != nil {
				C.php_release(j.fiber)
			}
			delete(r.running, id)
			j.finish(nil)
		}
	}
}

// caught takes the exception that a fiber has ended with.
func (r *request) caught() C.int {
	text := C.php_caught()
	if text == nil {
		return C.PHP_OK // exit() is an end as any other
	}
	defer C.free(unsafe.Pointer(text))
	err := errors.New("php: " + C.GoString(text))
	for _, j := range r.running {
		if j.fiber == nil || C.php_dead(j.fiber) != 0 {
			j.err = err
			return C.PHP_OK
		}
	}
	fmt.Fprintln(&r.out, err) // a fiber of the script's own
	return C.PHP_OK
}

// A Server is an http.Handler that runs a PHP file for each request, each in a fiber of its
// own, all on one thread. A file sees its request's URI as $request.
//
// PHP has one set of classes and functions for all of them, as in FrankenPHP's worker mode:
// files that define some are to be included by require_once.
type Server struct {
	dir string
	r   *request
}

// NewServer serves the files in dir. PHP is busy with it until Close.
func NewServer(dir string) (*Server, error) {
	if err := start(); err != nil {
		return nil, err
	}
	s := &Server{dir, newRequest(context.Background(), "serve();")}
	s.r.jobs = make(chan *job)
	php.calls <- s.r.run
	return s, nil
}

// Close ends the server, and the scripts that still run.
func (s *Server) Close() error {
	s.r.end()
	<-s.r.finished
	return s.r.err
}

func (s *Server) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	file := filepath.Join(s.dir, filepath.Clean("/"+q.URL.Path))
	j := &job{file: file, request: q.RequestURI, finished: make(chan struct{})}
	select {
	case s.r.jobs <- j:
	case <-s.r.finished:
		http.Error(w, errEnded.Error(), http.StatusServiceUnavailable)
		return
	}
	<-j.finished
	if j.err != nil {
		http.Error(w, j.err.Error(), http.StatusInternalServerError)
		return
	}
	_, _ = w.Write(j.out.Bytes()) // an error is that the client has gone
}
