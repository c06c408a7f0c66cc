//go:build greenlet_foreign && cgo && linux

package scripts_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-greenlet/greenlet/examples/scripts"
	"github.com/go-greenlet/greenlet/examples/sqlite"
)

// serve serves scripts by their names, and what they fetch, after a while.
func serve(t testing.TB, o scripts.Options, files map[string]string) (url string) {
	slow := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(20 * time.Millisecond)
		fmt.Fprint(w, r.URL.Path)
	}))
	t.Cleanup(slow.Close)
	dir := t.TempDir()
	for name, code := range files {
		code = strings.ReplaceAll(code, "SLOW", slow.URL)
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(code), 0o644))
	}
	db, err := sqlite.Open(":memory:")
	require.NoError(t, err)
	o.DB = sqlite.Share(db)
	s, err := scripts.NewServer(dir, o)
	require.NoError(t, err)
	web := httptest.NewServer(s)
	t.Cleanup(func() {
		require.NoError(t, s.Close())
		web.Close()
		assert.Zero(t, scripts.Running())
		require.NoError(t, db.Close())
	})
	return web.URL
}

func get(t testing.TB, url string) string {
	p, err := http.Get(url)
	if !assert.NoError(t, err) {
		return ""
	}
	defer func() { assert.NoError(t, p.Body.Close()) }()
	text, err := io.ReadAll(p.Body)
	assert.NoError(t, err)
	return fmt.Sprint(p.StatusCode, " ", string(text))
}

func TestWhatAScriptCanDo(t *testing.T) {
	url := serve(t, scripts.Options{}, map[string]string{
		"all": `
			write(request.path .. "?" .. request.query .. " ")
			write(fetch("SLOW/x") .. " ")
			sleep(0.001)
			query("create table t (a, b); insert into t values (1, 'one'), (2, null)")
			for _, row in ipairs(query("select * from t order by a")) do
				write(row[1] .. ":" .. tostring(row[2]) .. " ")
			end
			-- in a coroutine of Lua's, too
			local next = coroutine.wrap(function() for i = 1, 2 do sleep(0.001) coroutine.yield(fetch("SLOW/" .. i)) end end)
			write(next() .. next())`,
		"guarded": `
			write(select(2, xpcall(error, function(e) return "handled " .. e end, "this")))
			local co = coroutine.wrap(function(...) -- which is left in the midst of a guarded function
				return xpcall(function(...) coroutine.yield(...) return setmetatable({...}, {__len = function() return 7 end}) end, print, ...)
			end)
			local a, b = co(1, 2)
			local ok, t = co()
			write(" " .. a .. b .. tostring(ok) .. #t .. t[2])
			write(" " .. load("return ...", "x")("loaded") .. tostring(load("return a", "x", "b", {a = 5})()) .. tostring(load("syntax")))
			write(" " .. tostring(select(2, pcall(coroutine.wrap(function() error({}) end))) ~= nil))`,
		"error":  `local ok, e = pcall(fetch, "nowhere:") write(e .. "\n") query("select missing")`,
		"object": `error({})`,
		"syntax": `this is not Lua`,
	})
	assert.Equal(t, "200 /all?q=1 /x 1:one 2:nil /1/2", get(t, url+"/all?q=1"))
	assert.Equal(t, "200 handled this 12true72 loaded5nil true", get(t, url+"/guarded"))
	out := get(t, url+"/error")
	assert.Regexp(t, `^500 /error:1: sqlite: no such column: missing\n$`, strings.Replace(out, "[string \"/error\"]", "/error", 1))
	assert.Equal(t, "500 an error that is no text\n", get(t, url+"/object"))
	assert.Contains(t, get(t, url+"/syntax"), "syntax error near")
	assert.Contains(t, get(t, url+"/none"), "404")
	assert.Contains(t, get(t, url+"/../../etc/passwd"), "404")
}

// All of them wait at once, on one thread, and each gets what is its own.
func TestManyScriptsWaitAtOnce(t *testing.T) {
	n := 1000
	if testing.Short() {
		n = 200
	}
	var now, most atomic.Int32
	slow := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for k := now.Add(1); ; {
			if m := most.Load(); k <= m || most.CompareAndSwap(m, k) {
				break
			}
		}
		for deadline := time.Now().Add(20 * time.Second); int(most.Load()) < n && time.Now().Before(deadline); {
			time.Sleep(time.Millisecond) // until all are here
		}
		fmt.Fprint(w, r.URL.Path)
	}))
	defer slow.Close()
	url := serve(t, scripts.Options{}, map[string]string{
		"get": `local s = 0 for i = 1, 1000 do s = s + i end sleep(0.01) write(fetch("` + slow.URL + `/" .. request.query) .. s)`,
	})
	threads := func() int {
		all, err := os.ReadDir("/proc/self/task")
		require.NoError(t, err)
		return len(all)
	}
	before := threads()
	var all sync.WaitGroup
	for i := range n {
		all.Add(1)
		go func() {
			defer all.Done()
			assert.Equal(t, fmt.Sprintf("200 /%d500500", i), get(t, fmt.Sprintf("%s/get?%d", url, i)))
		}()
	}
	all.Wait()
	assert.Equal(t, n, int(most.Load()))
	assert.Less(t, threads(), before+n/2, "threads")
}

func TestALoopEndsAtItsLimitAndHoldsUpNobody(t *testing.T) {
	url := serve(t, scripts.Options{Limit: 500 * time.Millisecond}, map[string]string{
		"loop":  `while true do end`,
		"pcall": `while true do pcall(function() while true do end end) end`,
		"inner": `coroutine.wrap(function() while true do end end)()`,
		"wait":  `sleep(3600)`,
		"quick": `for i = 1, 5 do sleep(0.001) end write("well")`,
	})
	var all sync.WaitGroup
	for _, name := range []string{"loop", "pcall", "inner", "wait"} {
		all.Add(1)
		go func() {
			defer all.Done()
			assert.Equal(t, "500 "+scripts.ErrTooLong.Error()+"\n", get(t, url+"/"+name))
		}()
	}
	assert.Equal(t, "200 well", get(t, url+"/quick"))
	all.Wait()
}

// A client that goes away ends its script, wherever that is, and what it holds is closed.
func TestAClientGoesAway(t *testing.T) {
	for _, what := range []string{`sleep(3600)`, `fetch("SLOW/x") sleep(3600)`, `while true do end`, `while true do pcall(sleep, 3600) end`} {
		t.Run(what, func(t *testing.T) {
			started := make(chan bool, 1)
			tell := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { started <- true }))
			defer tell.Close()
			url := serve(t, scripts.Options{}, map[string]string{
				"go":   `fetch("` + tell.URL + `/started") ` + what,
				"well": `write("well")`,
			})
			ctx, cancel := context.WithCancel(t.Context())
			q, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/go", nil)
			require.NoError(t, err)
			gone := make(chan error, 1)
			go func() {
				p, err := http.DefaultClient.Do(q)
				if err == nil {
					err = p.Body.Close()
				}
				gone <- err
			}()
			<-started
			cancel()
			require.ErrorIs(t, <-gone, context.Canceled)
			for deadline := time.Now().Add(10 * time.Second); scripts.Running() > 0; time.Sleep(time.Millisecond) {
				require.True(t, time.Now().Before(deadline), "it has not ended")
			}
			assert.Equal(t, "200 well", get(t, url+"/well"))
		})
	}
}

// What a script holds is closed when its context ends; Run tells, without a server.
func TestWhatAScriptHoldsIsClosed(t *testing.T) {
	h := &scripts.Host{
		Await: func(ctx context.Context, f func(context.Context) ([]byte, error)) ([]byte, error) { return f(ctx) },
		Yield: func() {},
	}
	for _, what := range []string{`sleep(3600)`, `while true do end`, `error("x")`, `pcall(sleep, 3600)`} {
		ctx, cancel := context.WithCancelCause(t.Context())
		enough := errors.New("enough")
		time.AfterFunc(20*time.Millisecond, func() { cancel(enough) })
		var out bytes.Buffer
		err := h.Run(ctx, `
			local held <close> = setmetatable({}, {__close = function() write("closed") end})
			`+what, "p", "", &out)
		assert.Error(t, err)
		assert.Equal(t, "closed", out.String(), what)
		cancel(nil)
	}
}

// Lua calls no hook in some places, where a script could loop for ever then.
func TestNoLoopIsOutOfReach(t *testing.T) {
	url := serve(t, scripts.Options{Limit: 100 * time.Millisecond}, map[string]string{
		"handler": `xpcall(function() while true do end end, function() while true do end end)`,
		"thrown":  `xpcall(error, function() while true do end end)`,
		"gc":      `setmetatable({}, {__gc = function() while true do end end}) while true do collectgarbage() end`,
		"close":   `local x <close> = setmetatable({}, {__close = function() while true do end end}) while true do end`,
		"wrap": `coroutine.wrap(function()
				local x <close> = setmetatable({}, {__close = function() while true do end end})
				while true do end
			end)()
			while true do end`,
		"inC": `local c = coroutine.wrap(function()
				local x <close> = setmetatable({}, {__close = function() while true do end end})
				string.gsub("x", ".", function() while true do end end)
			end)
			while true do pcall(c) end`,
		"inside": `coroutine.wrap(function() xpcall(function() while true do end end, function() while true do end end) end)()`,
		"again":  `local c = coroutine.create(function() while true do end end) while true do coroutine.resume(c) end`,
		"sql":    `pcall(query, "with recursive n(x) as (select 1 union all select x + 1 from n) select count(*) from n") sleep(3600)`,
		"unhook": `debug.sethook() while true do end`,
		"exit":   `os.exit(1)`,
		"stdin":  `io.read()`,
		"code":   `load(string.dump(function() end), "x", "b")() while true do end`,
		"memory": `local s = "x" while true do s = s .. s end`,
	})
	all := make(chan string)
	names := []string{"handler", "thrown", "gc", "close", "wrap", "inC", "inside", "again", "sql", "unhook", "exit", "stdin", "code", "memory"}
	for _, name := range names {
		go func() { all <- name + " " + get(t, url+"/"+name) }()
	}
	deadline := time.After(time.Minute)
	for range names {
		select {
		case said := <-all:
			assert.Regexp(t, `^\w+ 500 .*(takes too long|no __gc|a nil value|binary chunk|not enough memory)`, said)
		case <-deadline:
			t.Fatal("a script does not end")
		}
	}
}

// What a script begins in the database ends with its query.
func TestATransactionIsNotHeldOpen(t *testing.T) {
	url := serve(t, scripts.Options{}, map[string]string{
		"open": `query("create table t (a)") query("begin; insert into t values (1)") sleep(3600)`,
		"well": `query("begin; insert into t values (2); commit") for _, row in ipairs(query("select a from t")) do write(row[1]) end`,
	})
	assert.Regexp(t, "500 .*left open", get(t, url+"/open"))
	assert.Equal(t, "200 2", get(t, url+"/well"))
}

// A panic in what a script calls is its own end, and nobody else's.
func TestAPanicEndsItsScript(t *testing.T) {
	url := serve(t, scripts.Options{Client: &http.Client{Transport: panics{}}}, map[string]string{
		"panics": `pcall(fetch, "http://x") while true do pcall(fetch, "http://x") write("x") end`,
		"well":   `sleep(0.001) write("well")`,
	})
	assert.Regexp(t, "500 .*a panic", get(t, url+"/panics"))
	assert.Equal(t, "200 well", get(t, url+"/well"))
}

type panics struct{}

func (panics) RoundTrip(*http.Request) (*http.Response, error) { panic("a panic") }
