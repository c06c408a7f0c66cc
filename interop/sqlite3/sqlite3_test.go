// Package sqlite3 tests github.com/mattn/go-sqlite3: a connection for each greenlet. The
// virtual table needs that binding's tag sqlite_vtable.
package sqlite3

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/mattn/go-sqlite3"

	"github.com/go-greenlet/greenlet/interop/harness"
)

// query runs statements on a connection of its own, which setup has prepared, and returns the
// rows of the last.
func query(setup func(*sqlite3.SQLiteConn) error, statements ...string) (out string, err error) {
	db := sql.OpenDB(connector{&sqlite3.SQLiteDriver{ConnectHook: setup}})
	db.SetMaxOpenConns(1)
	defer func() { err = errors.Join(err, db.Close()) }()
	for _, s := range statements[:len(statements)-1] {
		if _, err := db.Exec(s); err != nil {
			return "", err
		}
	}
	rows, err := db.Query(statements[len(statements)-1])
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	var b strings.Builder
	for rows.Next() {
		var v any
		if err := rows.Scan(&v); err != nil {
			return "", err
		}
		fmt.Fprintf(&b, "%v ", v)
	}
	return b.String(), rows.Err()
}

type connector struct{ d *sqlite3.SQLiteDriver }

func (c connector) Connect(context.Context) (driver.Conn, error) { return c.d.Open(":memory:") }
func (c connector) Driver() driver.Driver                        { return c.d }

const fill = `create table t (n integer); insert into t values (3), (1), (4), (1), (5)`

func TestFunction(t *testing.T) {
	harness.Run(t, 20, func(_ int, ask func(int) (int, error)) (string, error) {
		return query(func(c *sqlite3.SQLiteConn) error {
			return c.RegisterFunc("ask", func(n int) (int, error) { return ask(n) }, false)
		}, fill, `select ask(n) + (select sum(ask(n)) from t) from t order by ask(n)`)
	})
}

type sum struct {
	ask   func(int) (int, error)
	total int
	err   error
}

func (s *sum) Step(n int) {
	if s.err == nil {
		n, s.err = s.ask(n)
		s.total += n
	}
}
func (s *sum) Done() (int, error) { return s.total, s.err }

func TestAggregate(t *testing.T) {
	harness.Run(t, 20, func(_ int, ask func(int) (int, error)) (string, error) {
		return query(func(c *sqlite3.SQLiteConn) error {
			return c.RegisterAggregator("total_of", func() *sum { return &sum{ask: ask} }, false)
		}, fill, `select total_of(n) from t group by n % 3`)
	})
}

// A collation cannot fail, so what was asked in vain has to be kept.
func TestCollation(t *testing.T) {
	harness.Run(t, 20, func(_ int, ask func(int) (int, error)) (string, error) {
		var failed error
		said := ""
		out, err := query(func(c *sqlite3.SQLiteConn) error {
			return c.RegisterCollation("asked", func(a, b string) int {
				n, err := ask(len(a))
				failed = errors.Join(failed, err)
				said += fmt.Sprint(n, " ")
				return strings.Compare(a, b)
			})
		}, `create table t (s text); insert into t values ('ccc'), ('a'), ('bb'), ('dddd')`, `select s from t order by s collate asked`)
		return out + said, errors.Join(err, failed)
	})
}

func TestHooks(t *testing.T) {
	harness.Run(t, 20, func(_ int, ask func(int) (int, error)) (string, error) {
		var failed error
		said := ""
		hook := func(n int) int {
			n, err := ask(n)
			failed = errors.Join(failed, err)
			said += fmt.Sprint(n, " ")
			if err != nil {
				return 1
			}
			return 0
		}
		out, err := query(func(c *sqlite3.SQLiteConn) error {
			c.RegisterCommitHook(func() int { return hook(100) })
			c.RegisterUpdateHook(func(_ int, _, _ string, row int64) { hook(int(row)) })
			c.RegisterAuthorizer(func(int, string, string, string) int { return 0 })
			return nil
		}, fill, `update t set n = n + 1 where n > 1`, `select n from t`)
		return out + said, errors.Join(err, failed)
	})
}

// A table whose rows are asked for.
type module struct{ ask func(int) (int, error) }

func (m module) Create(c *sqlite3.SQLiteConn, _ []string) (sqlite3.VTab, error) {
	return table(m), c.DeclareVTab(`create table x (v integer)`)
}
func (m module) Connect(c *sqlite3.SQLiteConn, args []string) (sqlite3.VTab, error) {
	return m.Create(c, args)
}
func (module) DestroyModule() {}

type table module

func (table) BestIndex(c []sqlite3.InfoConstraint, _ []sqlite3.InfoOrderBy) (*sqlite3.IndexResult, error) {
	return &sqlite3.IndexResult{Used: make([]bool, len(c))}, nil
}
func (table) Disconnect() error                   { return nil }
func (table) Destroy() error                      { return nil }
func (m table) Open() (sqlite3.VTabCursor, error) { return &cursor{ask: m.ask}, nil }

type cursor struct {
	ask func(int) (int, error)
	row int
	v   int
}

func (*cursor) Close() error                            { return nil }
func (c *cursor) Filter(int, string, []any) (err error) { c.row = 0; c.v, err = c.ask(0); return err }
func (c *cursor) Next() (err error)                     { c.row++; c.v, err = c.ask(c.row); return err }
func (c *cursor) EOF() bool                             { return c.row >= 4 }
func (c *cursor) Rowid() (int64, error)                 { return int64(c.row), nil }
func (c *cursor) Column(x *sqlite3.SQLiteContext, _ int) error {
	x.ResultInt64(int64(c.v))
	return nil
}

func TestVirtualTable(t *testing.T) {
	harness.Run(t, 20, func(_ int, ask func(int) (int, error)) (string, error) {
		return query(func(c *sqlite3.SQLiteConn) error { return c.CreateModule("asked", module{ask}) },
			`create virtual table a using asked`, `select a.v * b.v from a, a as b where a.v <= b.v`)
	})
}
