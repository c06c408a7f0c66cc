//go:build greenlet_foreign && cgo && linux

package sqlite

/*
#cgo CFLAGS: -O2 -Wall
#cgo LDFLAGS: -lsqlite3
#include <stdlib.h>
#include "query.h"
*/
import "C"

import (
	"database/sql"
	"errors"
	"fmt"
	"iter"
	"strings"
	"unsafe"

	"github.com/go-greenlet/greenlet/callback"
	"github.com/go-greenlet/greenlet/internal/handle"
)

// A DB is a connection. It is for one thread at a time, and so for the greenlets of one
// thread: a query that is suspended holds SQLite's lock on the connection, which is the
// thread's.
type DB struct {
	db       *C.sqlite3
	panicked any // what a function of Go's has panicked with during a query
}

// Open opens a database file, or makes it; ":memory:" is one in memory.
func Open(name string) (*DB, error) {
	if strings.Contains(name, "\x00") {
		return nil, errNUL
	}
	cname := C.CString(name)
	defer C.free(unsafe.Pointer(cname))
	db := &DB{}
	code := C.sqlite3_open_v2(cname, &db.db, C.SQLITE_OPEN_READWRITE|C.SQLITE_OPEN_CREATE, nil)
	if code != C.SQLITE_OK {
		err := fmt.Errorf("sqlite: cannot open %s: %s", name, C.GoString(C.sqlite3_errstr(code)))
		C.sqlite3_close(db.db) // there may be one all the same
		return nil, err
	}
	return db, nil
}

// Close fails when a query is suspended, and has done nothing then.
func (db *DB) Close() error {
	if code := C.sqlite3_close(db.db); code != C.SQLITE_OK {
		return fmt.Errorf("sqlite: cannot close: %s", C.GoString(C.sqlite3_errmsg(db.db)))
	}
	return nil
}

// Query returns an iterator over the rows of one or more SQL statements. The loop runs
// inside sqlite3_exec's callback; when it ends early, that is told to stop. An error
// comes last.
//
// It knows nothing of greenlets: greenlet.Pull2 turns it inside out.
func (db *DB) Query(query string) iter.Seq2[[]sql.NullString, error] {
	return func(yield func([]sql.NullString, error) bool) {
		if strings.Contains(query, "\x00") {
			yield(nil, errNUL)
			return
		}
		cquery := C.CString(query)
		defer C.free(unsafe.Pointer(cquery))
		var text *C.char
		defer func() { C.sqlite3_free(unsafe.Pointer(text)) }()
		code := C.int(C.SQLITE_OK)
		r := &rows{yield: yield}
		callback.During(r, func(h uintptr) {
			code = C.query_exec(db.db, cquery, C.uintptr_t(h), &text)
		})
		if p := db.panicked; p != nil {
			db.panicked = nil
			panic(p)
		}
		if code != C.SQLITE_OK && !r.ended {
			yield(nil, fmt.Errorf("sqlite: %s", C.GoString(text)))
		}
	}
}

var errNUL = errors.New("sqlite: a NUL byte in a text")

// rows are those of a query that runs.
type rows struct {
	yield func([]sql.NullString, error) bool
	ended bool // the loop has
}

//export sqliteRow
func sqliteRow(h C.uintptr_t, n C.int, values **C.char) (stop C.int) {
	stop = 1 // after a panic, too
	callback.Do(uintptr(h), func(r *rows) {
		row := make([]sql.NullString, n)
		for i, value := range unsafe.Slice(values, n) {
			if value != nil {
				row[i] = sql.NullString{String: C.GoString(value), Valid: true}
			}
		}
		if r.ended = !r.yield(row, nil); !r.ended {
			stop = 0
		}
	})
	return stop
}

// Exec runs statements whose rows are of no interest.
func (db *DB) Exec(query string) error {
	for _, err := range db.Query(query) {
		if err != nil {
			return err
		}
	}
	return nil
}

// A function is a Go function that SQL can call.
type function struct {
	db *DB
	f  func(text string) (int64, error)
}

// Function makes f callable in SQL, as an aggregate's argument or wherever a function
// may stand. NULL is "". It is called in the midst of SQLite's virtual machine and may
// switch to other greenlets, and they may use the connection. Its errors are the query's.
func (db *DB) Function(name string, f func(text string) (int64, error)) error {
	if strings.Contains(name, "\x00") {
		return errNUL
	}
	cname := C.CString(name)
	defer C.free(unsafe.Pointer(cname))
	h := handle.New(&function{db, f}) // sqliteForget deletes it, also after a failure
	if C.query_function(db.db, cname, C.uintptr_t(h)) != C.SQLITE_OK {
		return fmt.Errorf("sqlite: cannot make a function: %s", C.GoString(C.sqlite3_errmsg(db.db)))
	}
	return nil
}

//export sqliteCall
func sqliteCall(h C.uintptr_t, text *C.char, result *C.longlong) (failure *C.char) {
	v, err := handle.Handle(h).Value()
	if err != nil {
		panic(err)
	}
	f := v.(*function)
	defer func() {
		if p := recover(); p != nil { // it waits until SQLite has returned
			f.db.panicked = p
			failure = C.CString("a function has panicked")
		}
	}()
	n, err := f.f(C.GoString(text))
	if err != nil {
		return C.CString(err.Error())
	}
	*result = C.longlong(n)
	return nil
}

//export sqliteForget
func sqliteForget(h C.uintptr_t) {
	if err := handle.Handle(h).Delete(); err != nil {
		panic(err)
	}
}
