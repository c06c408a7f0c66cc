//go:build greenlet_foreign && cgo && linux

package sqlite

// #include "query.h"
import "C"

import (
	"context"
	"database/sql"
	"errors"
	"time"
)

// A Shared is a connection that goroutines use in turns.
type Shared struct {
	db   *DB
	turn chan struct{} // whose it is has put something in
}

// Share takes over db.
func Share(db *DB) *Shared { return &Shared{db, make(chan struct{}, 1)} }

var errOpen = errors.New("sqlite: a transaction was left open, and is rolled back: begin and commit belong into one query")

// Query calls row with each row of some statements. Its turn ends with it, whatever the
// statements are: the end of ctx interrupts them, and no transaction stays open.
func (s *Shared) Query(ctx context.Context, query string, row func([]sql.NullString) error) (err error) {
	select {
	case s.turn <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	defer func() { <-s.turn }()
	if ctx.Err() != nil { // both were so
		return context.Cause(ctx)
	}
	defer func() {
		if C.sqlite3_get_autocommit(s.db.db) == 0 {
			err = errors.Join(err, errOpen, s.db.Exec("rollback"))
		}
	}()
	defer s.interruptAtEnd(ctx)()
	for values, err := range s.db.Query(query) {
		switch {
		case err != nil && ctx.Err() != nil:
			return context.Cause(ctx)
		case err != nil:
			return err
		}
		if err := row(values); err != nil {
			return err
		}
	}
	return nil
}

// interruptAtEnd interrupts what runs when ctx ends, until stop is called. What begins just then
// is not interrupted by the first try.
func (s *Shared) interruptAtEnd(ctx context.Context) (stop func()) {
	ended, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		select {
		case <-ended:
			return
		case <-ctx.Done():
		}
		for {
			C.sqlite3_interrupt(s.db.db)
			select {
			case <-ended:
				return
			case <-time.After(time.Millisecond):
			}
		}
	}()
	return func() {
		close(ended)
		<-done
	}
}
