//go:build greenlet_foreign && cgo && linux

package sqlite_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"math/rand/v2"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-greenlet/greenlet"
	"github.com/go-greenlet/greenlet/examples/sqlite"
	"github.com/go-greenlet/greenlet/internal/handle"
)

// A file is one of Go's own source files.
type file struct {
	dir, name string
	size      int
	test      bool
}

// sources are the files of some of the standard library's packages.
func sources(t testing.TB) (fs.FS, []file) {
	root, err := exec.Command("go", "env", "GOROOT").Output()
	require.NoError(t, err)
	src := os.DirFS(filepath.Join(strings.TrimSpace(string(root)), "src"))
	var all []file
	for _, top := range []string{"archive", "bufio", "bytes", "compress", "container", "encoding", "fmt", "io", "net/http", "strings"} {
		err := fs.WalkDir(src, top, func(name string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || path.Ext(name) != ".go" {
				return err
			}
			info, err := d.Info()
			all = append(all, file{path.Dir(name), name, int(info.Size()), strings.HasSuffix(name, "_test.go")})
			return err
		})
		if errors.Is(err, fs.ErrNotExist) {
			t.Skip("needs Go's source files in GOROOT")
		}
		require.NoError(t, err)
	}
	return src, all
}

func open(t testing.TB, name string) *sqlite.DB {
	db, err := sqlite.Open(name)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, db.Close()) })
	return db
}

// filled has a table of the files.
func filled(t testing.TB, files []file) *sqlite.DB {
	db := open(t, ":memory:")
	var script strings.Builder
	script.WriteString("begin; create table files (dir text, name text, size integer, test integer);\n")
	for _, f := range files {
		test := 0
		if f.test {
			test = 1
		}
		fmt.Fprintf(&script, "insert into files values ('%s', '%s', %d, %d);\n", f.dir, f.name, f.size, test)
	}
	script.WriteString("commit")
	require.NoError(t, db.Exec(script.String()))
	return db
}

// push collects rows where they are pushed, in the loop's body.
func push(t testing.TB, rows iter.Seq2[[]sql.NullString, error]) (all [][]string) {
	for row, err := range rows {
		require.NoError(t, err)
		all = append(all, texts(row))
	}
	return all
}

// pull collects them where they are asked for.
func pull(t testing.TB, rows iter.Seq2[[]sql.NullString, error]) (all [][]string) {
	next, stop := greenlet.Pull2(rows)
	defer stop()
	for row, err, ok := next(); ok; row, err, ok = next() {
		require.NoError(t, err)
		all = append(all, texts(row))
	}
	return all
}

func texts(row []sql.NullString) (all []string) {
	for _, v := range row {
		s := v.String
		if !v.Valid {
			s = "NULL"
		}
		all = append(all, s)
	}
	return all
}

func TestRowsArePushedAndPulled(t *testing.T) {
	_, files := sources(t)
	db := filled(t, files)
	var want [][]string
	for _, f := range files {
		want = append(want, []string{f.name, fmt.Sprint(f.size), "NULL"})
	}
	const query = "select name, size, null from files order by rowid"
	assert.Equal(t, want, push(t, db.Query(query)))
	assert.Equal(t, want, pull(t, db.Query(query)))
}

// A join that SQLite is not told of: two sorted queries, on one connection, and the one
// that is behind goes on. What SQLite would make of it, and Go, is the same.
func TestTwoQueriesAreMerged(t *testing.T) {
	_, files := sources(t)
	db := filled(t, files)

	type sizes struct{ code, tests string }
	want := map[string]sizes{}
	sums := map[string][2]int{}
	for _, f := range files {
		s := sums[f.dir]
		if f.test {
			s[1] += f.size
		} else {
			s[0] += f.size
		}
		sums[f.dir] = s
	}
	for dir, s := range sums {
		want[dir] = sizes{fmt.Sprint(s[0]), fmt.Sprint(s[1])}
	}
	require.Greater(t, len(want), 20)

	got := map[string]sizes{}
	nextCode, stop := greenlet.Pull2(db.Query("select dir, sum(size) from files where not test group by dir order by dir"))
	defer stop()
	nextTests, stop := greenlet.Pull2(db.Query("select dir, sum(size) from files where test group by dir order by dir"))
	defer stop()
	code, err, moreCode := nextCode()
	require.NoError(t, err)
	tests, err, moreTests := nextTests()
	for moreCode || moreTests {
		require.NoError(t, err)
		switch {
		case !moreTests || moreCode && code[0].String < tests[0].String:
			got[code[0].String] = sizes{code[1].String, "0"}
			code, err, moreCode = nextCode()
		case !moreCode || tests[0].String < code[0].String:
			got[tests[0].String] = sizes{"0", tests[1].String}
			tests, err, moreTests = nextTests()
		default:
			got[code[0].String] = sizes{code[1].String, tests[1].String}
			code, err, moreCode = nextCode()
			require.NoError(t, err)
			tests, err, moreTests = nextTests()
		}
		runtime.GC()
	}
	assert.Equal(t, want, got)

	joined := map[string]sizes{}
	for _, row := range push(t, db.Query("select dir, sum(size * not test), sum(size * test) from files group by dir")) {
		joined[row[0]] = sizes{row[1], row[2]}
	}
	assert.Equal(t, want, joined)
}

func lines(src fs.FS, name string) (int64, error) {
	text, err := fs.ReadFile(src, name)
	return int64(bytes.Count(text, []byte("\n"))), err
}

// A query calls a function for each row, and that asks another greenlet, from the
// middle of SQLite's virtual machine: who answers reads the file, and compares its
// length with what the same connection, asked meanwhile, says of it.
func TestAFunctionAsksAnotherGreenlet(t *testing.T) {
	src, files := sources(t)
	db := filled(t, files)
	const query = "select dir, sum(lines(name)), max(lines(name)) from files where dir like 'co%' group by dir order by dir"

	require.NoError(t, db.Function("lines", func(name string) (int64, error) { return lines(src, name) }))
	pushed := push(t, db.Query(query))
	require.Greater(t, len(pushed), 5)

	asked, compared := 0, 0
	require.NoError(t, greenlet.Run(func(*greenlet.Greenlet) error {
		var query1, reader *greenlet.Greenlet
		reader = greenlet.New(func(name any) (_ any, err error) {
			for {
				text, err := fs.ReadFile(src, name.(string))
				if err != nil {
					return nil, err
				}
				for row, err := range db.Query(fmt.Sprintf("select size from files where name = '%s'", name)) {
					require.NoError(t, err)
					assert.Equal(t, fmt.Sprint(len(text)), row[0].String)
					compared++
				}
				if asked++; asked%10 == 0 {
					runtime.GC()
				}
				if name, err = query1.Switch(int64(bytes.Count(text, []byte("\n")))); err != nil {
					return nil, err
				}
			}
		})
		require.NoError(t, db.Function("lines", func(name string) (int64, error) {
			answer, err := reader.Switch(name)
			if err != nil {
				return 0, err
			}
			return answer.(int64), nil
		}))
		query1 = greenlet.New(func(any) (any, error) { return push(t, db.Query(query)), nil })
		rows, err := query1.Switch(nil)
		assert.Equal(t, pushed, rows)
		return err
	}))
	assert.Greater(t, asked, 30)
	assert.Equal(t, asked, compared)
}

// Queries on one connection, each suspended in a function or between rows, in any order.
func TestQueriesAreSuspendedInAnyOrder(t *testing.T) {
	_, files := sources(t)
	db := filled(t, files)
	require.NoError(t, greenlet.Run(func(root *greenlet.Greenlet) error {
		require.NoError(t, db.Function("wait", func(name string) (int64, error) {
			answer, err := root.Switch(name)
			if err != nil {
				return 0, err
			}
			return int64(answer.(int)), nil
		}))
		var running []*greenlet.Greenlet
		asked := map[*greenlet.Greenlet]any{}
		for n := 10; n < 20; n++ {
			g := greenlet.New(func(any) (any, error) {
				sum := 0
				for row, err := range db.Query(fmt.Sprintf("select wait(name), length(name) from files limit %d", n)) {
					if err != nil {
						return nil, err
					}
					assert.Equal(t, row[0], row[1])
					if _, err := root.Switch(nil); err != nil {
						return nil, err
					}
					sum++
				}
				assert.Equal(t, n, sum)
				return nil, nil
			})
			running = append(running, g)
		}
		for len(running) > 0 {
			i := rand.IntN(len(running))
			g := running[i]
			answer := 0
			if name, ok := asked[g].(string); ok {
				answer = len(name)
			}
			v, err := g.Switch(answer)
			require.NoError(t, err)
			asked[g] = v
			if g.Dead() {
				running = slices.Delete(running, i, i+1)
			}
		}
		return nil
	}))
}

func TestErrors(t *testing.T) {
	db := open(t, ":memory:")
	assert.EqualError(t, db.Exec("select"), "sqlite: incomplete input")
	assert.EqualError(t, db.Exec("select 1 from nowhere"), "sqlite: no such table: nowhere")
	assert.EqualError(t, db.Exec("select 1\x00"), "sqlite: a NUL byte in a text")
	assert.ErrorContains(t, db.Function(strings.Repeat("n", 300), nil), "sqlite: cannot make a function")
	_, err := sqlite.Open("/nowhere/at/all")
	assert.EqualError(t, err, "sqlite: cannot open /nowhere/at/all: unable to open database file")

	require.NoError(t, db.Function("fails", func(s string) (int64, error) { return 0, errors.New("no " + s) }))
	assert.EqualError(t, db.Exec("select fails('more')"), "sqlite: no more")
	require.NoError(t, db.Function("panics", func(string) (int64, error) { panic("enough") }))
	assert.PanicsWithValue(t, "enough", func() { _ = db.Exec("select panics(1)") })
	assert.NoError(t, db.Exec("select 1"))

	// A rollback by another greenlet ends a query that has written, and says so.
	require.NoError(t, db.Exec("create table t (n); insert into t values (1), (2), (3)"))
	require.NoError(t, db.Exec("begin; update t set n = n + 1"))
	next, stop := greenlet.Pull2(db.Query("select n from t"))
	defer stop()
	_, err, _ = next()
	require.NoError(t, err)
	require.NoError(t, db.Exec("drop table if exists u; create table u (n); rollback"))
	_, err, ok := next()
	assert.True(t, ok)
	assert.EqualError(t, err, "sqlite: abort due to ROLLBACK")
}

const numbers = "with recursive n(i) as (select 1 union all select i + 1 from n where i < 5) select i from n"

// noHandleStays runs f twice: after the first time, the thread has its workers, which
// have handles, too.
func noHandleStays(t *testing.T, f func()) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	f()
	handles := handle.Live()
	f()
	assert.Equal(t, handles, handle.Live())
}

// -asan finds what is lost, and Close fails if a query is left.
func TestStoppedAnywhere(t *testing.T) { noHandleStays(t, func() { stopAnywhere(t) }) }

func stopAnywhere(t *testing.T) {
	db := open(t, ":memory:")
	for n := range 6 {
		next, stop := greenlet.Pull2(db.Query(numbers))
		for i := range n {
			row, err, ok := next()
			if i == 5 {
				assert.False(t, ok)
				break
			}
			require.True(t, ok)
			require.NoError(t, err)
			assert.Equal(t, fmt.Sprint(i+1), row[0].String)
		}
		stop()

		i := 0
		for _, err := range db.Query(numbers) {
			require.NoError(t, err)
			if i++; i > n {
				break
			}
		}
		if n < 5 {
			assert.PanicsWithValue(t, "enough", func() {
				i := 0
				for range db.Query(numbers) {
					if i++; i > n {
						panic("enough")
					}
				}
			})
		}
	}
}

func TestKilledInCallbacks(t *testing.T) { noHandleStays(t, func() { killInCallbacks(t) }) }

func killInCallbacks(t *testing.T) {
	db, err := sqlite.Open(":memory:")
	require.NoError(t, err)
	require.NoError(t, greenlet.Run(func(root *greenlet.Greenlet) error {
		wait := func(string) (int64, error) {
			_, err := root.Switch("waits")
			return 0, err
		}
		require.NoError(t, db.Function("wait", wait))
		inRow := greenlet.New(func(any) (any, error) {
			for range db.Query(numbers) {
				if _, err := root.Switch("waits"); err != nil {
					return nil, err
				}
			}
			return nil, nil
		})
		inFunction := greenlet.New(func(any) (any, error) { return nil, db.Exec("select wait(i) from (" + numbers + ")") })
		for _, g := range []*greenlet.Greenlet{inRow, inFunction} {
			v, err := g.Switch(nil)
			require.NoError(t, err)
			require.Equal(t, "waits", v)
		}
		assert.ErrorContains(t, db.Close(), "unfinalized")
		require.NoError(t, inRow.Kill())
		// SQLite has passed the error on as its text.
		assert.ErrorContains(t, inFunction.Kill(), greenlet.ErrExit.Error())
		return nil
	}))
	require.NoError(t, db.Close())
}

func ExampleDB_Query() {
	db, err := sqlite.Open(":memory:")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer db.Close()
	next, stop := greenlet.Pull2(db.Query("select 'a' union select 'b' union select 'c' order by 1"))
	defer stop()
	for row := range db.Query("select 1 union select 2 union select 3 order by 1") {
		letter, _, _ := next() // the other query waits in between
		fmt.Println(row[0].String, letter[0].String)
	}
	// Output:
	// 1 a
	// 2 b
	// 3 c
}

const thousand = "with recursive n(i) as (select 1 union all select i + 1 from n where i < 1000) "

func BenchmarkRows(b *testing.B) {
	db := open(b, ":memory:")
	report := func(b *testing.B) { b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/row") }
	b.Run("push", func(b *testing.B) {
		for b.Loop() {
			for _, err := range db.Query(thousand + "select i from n") {
				require.NoError(b, err)
			}
		}
		report(b)
	})
	b.Run("pull", func(b *testing.B) {
		for b.Loop() {
			next, stop := greenlet.Pull2(db.Query(thousand + "select i from n"))
			for _, err, ok := next(); ok; _, err, ok = next() {
				require.NoError(b, err)
			}
			stop()
		}
		report(b)
	})
}

func BenchmarkFunction(b *testing.B) {
	db := open(b, ":memory:")
	report := func(b *testing.B) { b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/call") }
	require.NoError(b, db.Function("answers", func(s string) (int64, error) { return int64(len(s)), nil }))
	b.Run("answers", func(b *testing.B) {
		for b.Loop() {
			require.NoError(b, db.Exec(thousand+"select sum(answers(i)) from n"))
		}
		report(b)
	})
	b.Run("asks", func(b *testing.B) {
		require.NoError(b, greenlet.Run(func(root *greenlet.Greenlet) error {
			var query *greenlet.Greenlet
			answerer := greenlet.New(func(v any) (_ any, err error) {
				for err == nil {
					v, err = query.Switch(int64(len(v.(string))))
				}
				return nil, err
			})
			require.NoError(b, db.Function("asks", func(s string) (int64, error) {
				v, err := answerer.Switch(s)
				if err != nil {
					return 0, err
				}
				return v.(int64), nil
			}))
			query = greenlet.New(func(any) (any, error) {
				for b.Loop() {
					require.NoError(b, db.Exec(thousand+"select sum(asks(i)) from n"))
				}
				return nil, nil
			})
			_, err := query.Switch(nil)
			return err
		}))
		report(b)
	})
}

const endless = "with recursive n(x) as (select 1 union all select x + 1 from n) select count(*) from n"

// A query that never ends holds up the others until its context ends, and no longer.
func TestTheContextEndsAQuery(t *testing.T) {
	s := sqlite.Share(open(t, ":memory:"))
	enough := errors.New("enough")
	none := func([]sql.NullString) error { return nil }
	for range 3 {
		ctx, cancel := context.WithCancelCause(t.Context())
		errs := make(chan error, 2)
		for range 2 { // one waits for the other
			go func() { errs <- s.Query(ctx, endless, none) }()
		}
		time.AfterFunc(5*time.Millisecond, func() { cancel(enough) })
		assert.ErrorIs(t, <-errs, enough)
		assert.ErrorIs(t, <-errs, enough)
		assert.ErrorIs(t, s.Query(ctx, "create table t (a)", none), enough)
	}
	assert.ErrorContains(t, s.Query(t.Context(), "select * from t", none), "no such table")
}

func TestNobodyLeavesATransactionOpen(t *testing.T) {
	s := sqlite.Share(open(t, ":memory:"))
	rows := 0
	count := func([]sql.NullString) error { rows++; return nil }
	require.NoError(t, s.Query(t.Context(), "create table t (a)", count))
	assert.ErrorContains(t, s.Query(t.Context(), "begin; insert into t values (1)", count), "left open")
	require.NoError(t, s.Query(t.Context(), "begin; insert into t values (2); commit; select * from t", count))
	assert.Equal(t, 1, rows)
	stop := errors.New("stop")
	assert.ErrorIs(t, s.Query(t.Context(), "begin; select 1; commit", func([]sql.NullString) error { return stop }), stop)
	require.NoError(t, s.Query(t.Context(), "begin; commit", count))
}
