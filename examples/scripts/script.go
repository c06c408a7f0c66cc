//go:build greenlet_foreign && cgo && linux

package scripts

/*
#cgo CFLAGS: -I/usr/include/lua5.4 -O2 -Wall
#cgo LDFLAGS: -llua5.4
#include <stdlib.h>
#include "script.h"
*/
import "C"

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/go-greenlet/greenlet/callback"
	"github.com/go-greenlet/greenlet/examples/sqlite"
)

// A Host is what scripts see of the world.
type Host struct {
	Client *http.Client
	DB     *sqlite.Shared // nil: there is none

	// Await does f, which takes its time, and Yield lets others run, now and then. In a
	// server of one thread they suspend the script.
	Await func(ctx context.Context, f func(context.Context) ([]byte, error)) ([]byte, error)
	Yield func()
}

// A script is what C's handle stands for.
type script struct {
	*Host
	ctx context.Context
	out io.Writer
}

var running atomic.Int64 // scripts

var errNUL = errors.New("scripts: a NUL byte in a path or query")

// Run runs Lua code. In it there are request.path and request.query, and
//
//	fetch(url)      the text that a GET gets
//	sleep(seconds)
//	query(sql)      a table of rows
//	write(text)     goes to out
//
// The end of ctx ends the script: what it waits for fails, and so does whatever it does after
// that.
func (h *Host) Run(ctx context.Context, code, path, query string, out io.Writer) error {
	if strings.Contains(path+query, "\x00") {
		return errNUL
	}
	text, cpath, cquery := C.CString(code), C.CString(path), C.CString(query)
	defer C.free(unsafe.Pointer(text))
	defer C.free(unsafe.Pointer(cpath))
	defer C.free(unsafe.Pointer(cquery))
	running.Add(1)
	defer running.Add(-1)
	var failure *C.char
	defer func() { C.free(unsafe.Pointer(failure)) }()
	callback.During(&script{h, ctx, out}, func(handle uintptr) {
		failure = C.script_run(text, C.size_t(len(code)), cpath, cquery, C.uintptr_t(handle))
	})
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case failure != nil:
		return errors.New(C.GoString(failure))
	}
	return nil
}

// call is what each function does that Lua calls.
func call(s *C.script, f func(*script) ([]byte, error)) (failed C.int) {
	failed = 1 // after a panic, too
	callback.Do(uintptr(s.h), func(g *script) {
		text, err := f(g)
		if err != nil {
			text = []byte(err.Error())
		} else {
			failed = 0
		}
		s.text, s.size = (*C.char)(C.CBytes(text)), C.size_t(len(text))
	})
	return failed
}

//export scriptFetch
func scriptFetch(s *C.script, url *C.char, n C.size_t) C.int {
	u := C.GoStringN(url, C.int(n))
	return call(s, func(s *script) ([]byte, error) {
		return s.Await(s.ctx, func(ctx context.Context) ([]byte, error) {
			q, err := http.NewRequestWithContext(ctx, http.MethodGet, u, nil)
			if err != nil {
				return nil, err
			}
			p, err := s.Client.Do(q)
			if err != nil {
				return nil, err
			}
			defer func() { _ = p.Body.Close() }() // it was only read
			return io.ReadAll(p.Body)
		})
	})
}

//export scriptSleep
func scriptSleep(s *C.script, seconds C.double) C.int {
	return call(s, func(s *script) ([]byte, error) {
		return s.Await(s.ctx, func(ctx context.Context) ([]byte, error) {
			t := time.NewTimer(time.Duration(float64(seconds) * float64(time.Second)))
			defer t.Stop()
			select {
			case <-t.C:
				return nil, nil
			case <-ctx.Done():
				return nil, context.Cause(ctx)
			}
		})
	})
}

//export scriptQuery
func scriptQuery(s *C.script, query *C.char, n C.size_t) C.int {
	text := C.GoStringN(query, C.int(n))
	return call(s, func(s *script) ([]byte, error) {
		if s.DB == nil {
			return nil, errors.New("there is no database")
		}
		return s.Await(s.ctx, func(ctx context.Context) ([]byte, error) { return rows(ctx, s.DB, text) })
	})
}

// rows returns what a query finds as script.c reads it.
func rows(ctx context.Context, db *sqlite.Shared, query string) ([]byte, error) {
	var values bytes.Buffer
	var rows, columns int32
	put := func(n int32) { values.Write(binary.NativeEndian.AppendUint32(nil, uint32(n))) }
	if err := db.Query(ctx, query, func(row []sql.NullString) error {
		if columns = max(columns, int32(len(row))); int(columns) != len(row) {
			return errors.New("several statements with rows of several kinds")
		}
		rows++
		for _, v := range row {
			if !v.Valid {
				put(-1)
				continue
			}
			put(int32(len(v.String)))
			values.WriteString(v.String)
		}
		return nil
	}); err != nil {
		return nil, err
	}
	head := binary.NativeEndian.AppendUint32(nil, uint32(rows))
	return append(binary.NativeEndian.AppendUint32(head, uint32(columns)), values.Bytes()...), nil
}

//export scriptWrite
func scriptWrite(s *C.script, text *C.char, n C.size_t) C.int {
	b := unsafe.Slice((*byte)(unsafe.Pointer(text)), int(n))
	return call(s, func(s *script) ([]byte, error) {
		_, err := s.out.Write(b)
		return nil, err
	})
}

//export scriptTick
func scriptTick(s *C.script) C.int {
	return call(s, func(s *script) ([]byte, error) {
		if s.ctx.Err() == nil {
			s.Yield()
		}
		if s.ctx.Err() != nil {
			return nil, context.Cause(s.ctx)
		}
		return nil, nil
	})
}
