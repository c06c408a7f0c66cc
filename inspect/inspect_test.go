//go:build linux

package inspect_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-greenlet/greenlet"
	"github.com/go-greenlet/greenlet/inspect"
	"github.com/go-greenlet/greenlet/internal/cgotest"
	"github.com/go-greenlet/greenlet/internal/layer"
	"github.com/go-greenlet/greenlet/internal/timeline"
	"github.com/go-greenlet/greenlet/tasklet"
)

func oneM() bool { return strings.HasPrefix(greenlet.Runtime(), "one M") }

// tree runs f as a root.
func tree(t testing.TB, f func(root *greenlet.Greenlet)) {
	t.Helper()
	require.NoError(t, greenlet.Run(func(root *greenlet.Greenlet) error { f(root); return nil }))
}

func waits(root *greenlet.Greenlet) greenlet.Func {
	return func(any) (v any, err error) {
		for err == nil {
			_, err = root.Switch(nil)
		}
		return nil, err
	}
}

func started(t testing.TB, name string, body greenlet.Func) *greenlet.Greenlet {
	t.Helper()
	g := greenlet.New(body, greenlet.WithName(name))
	_, err := g.Switch(nil)
	require.NoError(t, err)
	return g
}

// server serves http.DefaultServeMux, with which importing the package has registered the page. It
// waits for the trees of earlier tests, since the page shows every tree of the process, and a tree
// whose goroutine has ended is ended by the library's goroutine soon after, not at once.
func server(t testing.TB) string {
	t.Helper()
	require.Eventually(t, func() bool {
		runtime.GC()
		return len(layer.Trees()) == 0
	}, time.Minute, 10*time.Millisecond, "a tree of an earlier test is left")
	s := httptest.NewServer(http.DefaultServeMux)
	t.Cleanup(s.Close)
	return s.URL + "/debug/greenlets"
}

func get(t testing.TB, method, url string, header ...string) (status int, body string) {
	t.Helper()
	r, err := http.NewRequest(method, url, nil)
	require.NoError(t, err)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.StatusCode, string(b)
}

type reply struct {
	Time   time.Time
	Engine string
	Trees  []struct {
		Root, Running uint64
		Thread        int
		Greenlets     []one
	}
	Tasklets []struct {
		Root                 uint64
		Ring                 []uint64
		Deadlock, Unanswered bool
		Channels             []struct {
			Name    string
			Balance int
			Waiting []uint64
		}
	}
}

type place struct {
	Func, File string
	Line       int
}

type one struct {
	ID, Parent, Switches uint64
	Name, State          string
	Where                *place
	SinceMs              float64 `json:"since_ms"`
	CStackUsed           int     `json:"c_stack_used"`
	Stack                []place
}

func (r reply) find(name string) *one {
	for _, t := range r.Trees {
		for i := range t.Greenlets {
			if t.Greenlets[i].Name == name {
				return &t.Greenlets[i]
			}
		}
	}
	return nil
}

func all(t testing.TB, url string) (r reply) {
	t.Helper()
	status, body := get(t, "GET", url+"?format=json")
	require.Equal(t, 200, status, body)
	require.NoError(t, json.Unmarshal([]byte(body), &r))
	return r
}

func TestJSON(t *testing.T) {
	url := server(t)
	tree(t, func(root *greenlet.Greenlet) {
		g := started(t, "npc-13", waits(root))
		g.SetValue("a secret")
		r := all(t, url)
		assert.Equal(t, greenlet.Runtime(), r.Engine)
		assert.WithinDuration(t, time.Now(), r.Time, time.Minute)
		require.Len(t, r.Trees, 1)
		assert.Equal(t, root.ID(), r.Trees[0].Root)
		assert.Equal(t, root.ID(), r.Trees[0].Running)
		assert.Equal(t, syscall.Gettid(), r.Trees[0].Thread)
		require.Len(t, r.Trees[0].Greenlets, 2)
		npc := r.find("npc-13")
		require.NotNil(t, npc)
		assert.Equal(t, one{ID: g.ID(), Parent: root.ID(), Switches: 1, Name: "npc-13", State: "suspended", Where: npc.Where}, *npc)
		if oneM() {
			require.NotNil(t, npc.Where)
			assert.Contains(t, npc.Where.Func, "waits")
			assert.Contains(t, npc.Where.File, "inspect_test.go")
			_, body := get(t, "GET", fmt.Sprintf("%s/%d?format=json", url, g.ID()))
			var single one
			require.NoError(t, json.Unmarshal([]byte(body), &single))
			require.NotEmpty(t, single.Stack)
			assert.Contains(t, single.Stack[0].Func, "Switch", "innermost first")
		}
		_, body := get(t, "GET", url, "Accept", "application/json")
		assert.True(t, json.Valid([]byte(body)), body)
		_, body = get(t, "GET", url+"?format=text")
		assert.Contains(t, body, "npc-13/")
		_, body = get(t, "GET", fmt.Sprintf("%s/%d?format=text", url, g.ID()))
		assert.Contains(t, body, "npc-13/")
		for _, format := range []string{"json", "text", "html"} {
			_, body := get(t, "GET", url+"?format="+format)
			assert.NotContains(t, body, "secret")
		}
	})
	assert.Empty(t, all(t, url).Trees)
}

func TestThePage(t *testing.T) {
	url := server(t)
	tree(t, func(root *greenlet.Greenlet) {
		for i := range 3 {
			started(t, fmt.Sprintf("walker-%d", i), waits(root))
		}
		started(t, "<script>alert(1)</script>", waits(root))
		_, body := get(t, "GET", url)
		assert.Contains(t, body, "5 greenlets in 1 trees")
		assert.Contains(t, body, "walker-2/")
		assert.NotContains(t, body, "<script>alert")
		assert.NotRegexp(t, `(src|href)="?(https?:)?//`, body, "nothing from elsewhere")
		_, body = get(t, "GET", url+"?name=walker-1&fragment=1")
		assert.Contains(t, body, "walker-1/")
		assert.NotContains(t, body, "walker-2/")
		assert.NotContains(t, body, "<html")
		_, body = get(t, "GET", url+"?state=running&fragment=1")
		assert.Contains(t, body, "root/")
		assert.NotContains(t, body, "walker-2/")
		_, body = get(t, "GET", url+"?limit=2&fragment=1")
		assert.Contains(t, body, "and 3 more")
		if oneM() {
			_, body = get(t, "GET", url+"?place=inspect_test.go&sort=name&fragment=1")
			assert.Contains(t, body, "walker-2/")
			_, body = get(t, "GET", url+"?place=elsewhere.go&fragment=1")
			assert.NotContains(t, body, "walker-2/")
			assert.Contains(t, body, `<td class="n">4</td>`, "a group of those that wait at one place")
		}
	})
}

// Control characters in a name are escaped, so that it can neither act on a terminal nor look like
// another line.
func TestNamesForTerminals(t *testing.T) {
	url := server(t)
	tree(t, func(root *greenlet.Greenlet) {
		name := "evil\x1b[2J\nroot/1\x9b\t\u202e"
		g := started(t, name, waits(root))
		_, all := get(t, "GET", url+"?format=text")
		_, one := get(t, "GET", fmt.Sprintf("%s/%d?format=text", url, g.ID()))
		for _, text := range []string{all, one, g.String()} {
			assert.Contains(t, text, `evil\x1b[2J\nroot/1\x9b\t\u202e/`)
			assert.NotContains(t, text, "\x1b")
		}
		assert.Equal(t, name, g.Name())
		_, js := get(t, "GET", url+"?format=json")
		assert.True(t, json.Valid([]byte(js)))
	})
}

// A Dump has every greenlet, however deep, and its indentation is bounded.
func TestADumpOfADeepTree(t *testing.T) {
	const n = 10_050
	tree(t, func(root *greenlet.Greenlet) {
		all := []*greenlet.Greenlet{root}
		for range n {
			g := greenlet.New(waits(root), greenlet.WithParent(all[len(all)-1]), greenlet.WithName("deep"))
			_, err := g.Switch(nil)
			require.NoError(t, err)
			all = append(all, g)
		}
		var b strings.Builder
		require.NoError(t, greenlet.Dump(&b))
		assert.Equal(t, n, strings.Count(b.String(), "deep/"))
		assert.Less(t, b.Len(), 400*n)
		runtime.KeepAlive(all)
	})
}

func TestBadRequests(t *testing.T) {
	url := server(t)
	var dead *greenlet.Greenlet
	tree(t, func(root *greenlet.Greenlet) {
		dead = started(t, "dead", func(any) (any, error) { return nil, nil })
		for _, c := range []struct {
			method, path string
			status       int
			says         string
		}{
			{"GET", "/999999999", 404, "no living greenlet with the number 999999999"},
			{"GET", fmt.Sprintf("/%d", dead.ID()), 404, "no living greenlet"},
			{"GET", "/x", 404, "by its number"},
			{"GET", "/1/2", 404, "by its number"},
			{"GET", "?format=xml", 404, "no format"},
			{"POST", "", 405, "Only GET"},
			{"GET", "/record", 405, "by POST"},
			{"POST", "/record?seconds=-1", 400, "from 0 to 60"},
			{"POST", "/record?seconds=NaN", 400, "from 0 to 60"},
			{"POST", "/record?seconds=1e9", 400, "from 0 to 60"},
			{"POST", "/record?events=0", 400, "from 1 to 2000000"},
		} {
			status, body := get(t, c.method, url+c.path)
			assert.Equal(t, c.status, status, c.path)
			assert.Contains(t, body, c.says, c.path)
		}
	})
}

// A client that stops reading delays neither the trees nor other clients.
func TestAClientThatStopsReading(t *testing.T) {
	url := server(t)
	tree(t, func(root *greenlet.Greenlet) {
		for i := range 3000 {
			started(t, fmt.Sprintf("%0100d", i), waits(root))
		}
		for range 3 {
			c, err := net.Dial("tcp", strings.Split(url, "/")[2])
			require.NoError(t, err)
			defer c.Close()
			_, err = fmt.Fprintf(c, "GET /debug/greenlets?format=json HTTP/1.1\r\nHost: x\r\n\r\n")
			require.NoError(t, err)
		}
		g := started(t, "last", waits(root))
		for range 1000 {
			_, err := g.Switch(nil)
			require.NoError(t, err)
		}
		assert.NotNil(t, all(t, url).find("last"))
		runtime.KeepAlive(g) // otherwise the collector may find it unreachable, and it is killed
	})
}

func TestTasklets(t *testing.T) {
	url := server(t)
	tree(t, func(root *greenlet.Greenlet) {
		orders := tasklet.NewChannel[int](tasklet.WithName("orders"))
		for range 2 {
			tasklet.Go(func() { _, _ = orders.Receive() })
		}
		var r reply
		tasklet.Go(func() {
			r, _ = tasklet.Await(func() (reply, error) { return all(t, url), nil })
		})
		require.NoError(t, tasklet.Run())
		require.Len(t, r.Tasklets, 1)
		assert.False(t, r.Tasklets[0].Deadlock, "something is awaited")
		require.Len(t, r.Tasklets[0].Channels, 1)
		c := r.Tasklets[0].Channels[0]
		assert.Equal(t, "orders", c.Name)
		assert.Equal(t, -2, c.Balance)
		assert.Len(t, c.Waiting, 2)

		// Run has returned, so no tasklet is left that could send.
		done := make(chan reply)
		go func() { done <- all(t, url) }()
		for {
			tasklet.Schedule()
			select {
			case r := <-done:
				require.Len(t, r.Tasklets, 1)
				assert.True(t, r.Tasklets[0].Deadlock)
				assert.Equal(t, []uint64{root.ID()}, r.Tasklets[0].Ring)
				return
			default:
			}
		}
	})
}

func TestTaskletsOfAThreadThatDoesNotAnswer(t *testing.T) {
	url := server(t)
	tree(t, func(root *greenlet.Greenlet) {
		tasklet.Schedule()
		for range 2 {
			r := all(t, url) // the root's thread waits for the answer of the server, so it does not answer Look
			require.Len(t, r.Tasklets, 1)
			assert.True(t, r.Tasklets[0].Unanswered)
		}
	})
}

func TestServe(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	var servers sync.WaitGroup
	serve := func(addr string) {
		servers.Add(1)
		go func() {
			defer servers.Done()
			assert.NoError(t, inspect.Serve(ctx, addr))
		}()
	}
	socket := filepath.Join(t.TempDir(), "socket")
	defer syscall.Umask(syscall.Umask(0))
	serve("unix:" + socket)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	addr := l.Addr().String()
	require.NoError(t, l.Close())
	serve(addr + "?token=right")

	client := http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}}}
	require.Eventually(t, func() bool {
		resp, err := client.Get("http://socket/debug/greenlets?format=json")
		if err != nil {
			return false
		}
		defer resp.Body.Close()
		return resp.StatusCode == 200
	}, 10*time.Second, 10*time.Millisecond)
	client.CloseIdleConnections()
	info, err := os.Stat(socket)
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	assert.ErrorContains(t, inspect.Serve(ctx, "unix:"+socket), "somebody listens there")

	url := "http://" + addr + "/debug/greenlets"
	require.Eventually(t, func() bool {
		c, err := net.Dial("tcp", addr)
		if err == nil {
			_ = c.Close()
		}
		return err == nil
	}, 10*time.Second, 10*time.Millisecond)
	for _, c := range []struct {
		query, header string
		status        int
	}{
		{"", "", 403}, {"?token=wrong", "", 403}, {"?token=", "", 403}, {"", "Bearer wrong", 403}, {"", "right", 200},
		{"?token=right", "", 200}, {"", "Bearer right", 200},
	} {
		status, _ := get(t, "GET", url+c.query, "Authorization", c.header)
		assert.Equal(t, c.status, status, "%+v", c)
	}
	status, _ := get(t, "POST", url+"/record?seconds=1")
	assert.Equal(t, 403, status)

	// The cookie's name has the port, because browsers do not keep the cookies of ports apart.
	resp, err := http.Get(url + "?token=right&format=text")
	require.NoError(t, err)
	resp.Body.Close()
	require.Len(t, resp.Cookies(), 1)
	c := resp.Cookies()[0]
	assert.Contains(t, c.Name, strings.Split(addr, ":")[1])
	assert.Equal(t, "/debug/greenlets", c.Path)
	assert.True(t, c.HttpOnly)
	for name, want := range map[string]int{c.Name: 200, "greenlet_inspect_1": 403} {
		status, _ = get(t, "GET", url, "Cookie", name+"="+c.Value)
		assert.Equal(t, want, status, name)
	}

	cancel()
	servers.Wait()
	_, err = os.Stat(socket)
	assert.ErrorIs(t, err, os.ErrNotExist)

	for _, bad := range []string{"", ":0", "0.0.0.0:0", "192.0.2.1:0", "localhost", "unix:", "unix:@abstract", "unix:/no/such/dir/x", "unix:" + os.TempDir()} {
		assert.Error(t, inspect.Serve(context.Background(), bad), bad)
	}
}

func TestDumpOn(t *testing.T) {
	tree(t, func(root *greenlet.Greenlet) {
		started(t, "dumped", waits(root))
		r, w := io.Pipe()
		stop := inspect.DumpOn(w, syscall.SIGUSR2)
		require.NoError(t, syscall.Kill(syscall.Getpid(), syscall.SIGUSR2))
		b := make([]byte, 1<<16)
		n, err := r.Read(b)
		require.NoError(t, err)
		assert.Contains(t, string(b[:n]), "dumped/")
		require.NoError(t, r.CloseWithError(errors.New("enough")))
		stop()
		stop()
	})
}

// DumpOn without signals reacts to no signal.
func TestDumpOnNothing(t *testing.T) {
	var b strings.Builder
	stop := inspect.DumpOn(&b)
	got := make(chan os.Signal, 1)
	signal.Notify(got, syscall.SIGUSR2) // otherwise the signal ends the process
	defer signal.Stop(got)
	require.NoError(t, syscall.Kill(syscall.Getpid(), syscall.SIGUSR2))
	<-got
	stop()
	assert.Empty(t, b.String())
}

// Requests before the root's next operation of package tasklet share one answer.
func TestTwoWhoLookAtTasklets(t *testing.T) {
	tree(t, func(root *greenlet.Greenlet) {
		tasklet.Schedule()
		trees := layer.Trees() // one of an earlier test may be left
		i := slices.IndexFunc(trees, func(tree layer.Tree) bool { return tree.Root == root.ID() })
		require.GreaterOrEqual(t, i, 0)
		kept := trees[i].Kept
		first, second := kept.Look(), kept.Look()
		tasklet.Schedule()
		for _, a := range []*layer.Answer{first, second} {
			select {
			case <-a.Done:
				assert.Equal(t, []uint64{root.ID()}, a.Ring)
			default:
				t.Error("it was not answered")
			}
		}
		third := kept.Look()
		assert.NotSame(t, first, third, "what was told is old")
		tasklet.Schedule()
		<-third.Done
	})
}

// The switches in the recorded file are those that a tracer has seen in the same run.
func TestRecordAgainstATracer(t *testing.T) {
	var b strings.Builder
	var log []string
	tree(t, func(root *greenlet.Greenlet) {
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error)
		go func() { done <- inspect.Record(ctx, &b) }()
		g := started(t, "first", waits(root))
		require.Eventually(t, func() bool { return timeline.Active() != nil }, 10*time.Second, time.Millisecond)
		assert.ErrorIs(t, inspect.Record(ctx, io.Discard), inspect.ErrRecording)
		_, err := g.Switch(nil) // with this switch the tree notices the recording
		require.NoError(t, err)
		inspect.Mark("begin")
		greenlet.SetTrace(func(e greenlet.Event, origin, target *greenlet.Greenlet) {
			if origin != target {
				log = append(log, fmt.Sprintf("%v %d %d", e, origin.ID(), target.ID()))
			}
		})
		for range 5 {
			_, err := g.Switch(nil)
			require.NoError(t, err)
		}
		failing := greenlet.New(func(any) (any, error) { return nil, errors.New("fails") }, greenlet.WithName("failing"))
		_, err = failing.Switch(nil)
		require.Error(t, err)
		next, stop := greenlet.Pull(func(yield func(int) bool) {
			for yield(1) {
			}
		})
		for range 3 {
			_, _ = next()
		}
		stop()
		require.NoError(t, started(t, "in C", func(any) (v any, err error) {
			cgotest.Call(func() { v, err = root.Switch(nil) })
			return v, err
		}).Kill())
		greenlet.SetTrace(nil)
		inspect.Mark("end")
		cancel()
		require.NoError(t, <-done)
	})
	var file struct {
		TraceEvents []struct {
			Ph, Name, Cat string
			Pid, Tid, ID  uint64
			Ts, Dur       float64
			Args          map[string]any
		}
		OtherData map[string]any
	}
	require.NoError(t, json.Unmarshal([]byte(b.String()), &file), b.String())
	var got []string
	from := map[uint64]uint64{}
	within := false
	names, births, ends := map[uint64]any{}, 0, 0
	type span struct{ begin, end float64 }
	var spans []span
	for _, e := range file.TraceEvents {
		switch e.Ph {
		case "M":
			if e.Name == "thread_name" {
				names[e.Tid] = e.Args["name"]
			}
		case "i":
			switch {
			case e.Cat == "mark":
				within = e.Name == "begin"
			case within && e.Cat == "birth":
				births++
			case within && e.Cat == "end":
				ends++
			}
		case "s":
			from[e.ID] = e.Tid
		case "f":
			if within {
				kind := "switch"
				if e.Cat != "value" {
					kind = "throw"
				}
				got = append(got, fmt.Sprintf("%s %d %d", kind, from[e.ID], e.Tid))
			}
		case "X":
			spans = append(spans, span{e.Ts, e.Ts + e.Dur})
			assert.EqualValues(t, e.Args["thread"], file.TraceEvents[len(file.TraceEvents)-1].Args["thread"])
		}
	}
	assert.Equal(t, log, got)
	assert.Equal(t, 3, births)
	assert.Equal(t, 3, ends)
	assert.Contains(t, fmt.Sprint(names), "first/")
	assert.EqualValues(t, 0, file.OtherData["dropped"])
	for i := range spans[1:] {
		assert.InDelta(t, spans[i].end, spans[i+1].begin, 0.0011, "one runs after the other, without a gap")
	}
}

// Record returns the error of a write that failed.
func TestRecordReturnsTheErrorOfAWrite(t *testing.T) {
	failing := errors.New("the disk is full")
	r, w := io.Pipe()
	require.NoError(t, r.CloseWithError(failing))
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	assert.ErrorIs(t, inspect.Record(ctx, w), failing)
}

// In the file, no greenlet of a tree runs after the tree has ended.
func TestATreeEndsInARecording(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	var b strings.Builder
	done := make(chan error)
	go func() { done <- inspect.Record(ctx, &b) }()
	require.Eventually(t, func() bool { return timeline.Active() != nil }, 10*time.Second, time.Millisecond)
	const later = 30 * time.Millisecond
	tree(t, func(root *greenlet.Greenlet) {
		started(t, "g", func(any) (any, error) { return nil, nil })
		time.Sleep(later)
	})
	time.Sleep(later)
	cancel()
	require.NoError(t, <-done)
	var file struct {
		TraceEvents []struct {
			Ph      string
			Ts, Dur float64
		}
		OtherData struct{ Seconds float64 }
	}
	require.NoError(t, json.Unmarshal([]byte(b.String()), &file))
	runs, longest := 0, 0.
	for _, e := range file.TraceEvents {
		if e.Ph == "X" {
			runs++
			longest = max(longest, e.Dur)
			assert.Less(t, e.Ts+e.Dur, file.OtherData.Seconds*1e6-float64(later.Microseconds()))
		}
	}
	assert.Equal(t, 3, runs, "the root, g, and the root again")
	assert.GreaterOrEqual(t, longest, float64(later.Microseconds()), "to the tree's end")
}

// A recording keeps no more events than Events and Last say, and tells how many it has dropped.
func TestARecordingIsBounded(t *testing.T) {
	record := func(opts ...inspect.RecordOption) (flows int, dropped float64, seconds float64) {
		ctx, cancel := context.WithCancel(context.Background())
		var b strings.Builder
		done := make(chan error)
		tree(t, func(root *greenlet.Greenlet) {
			go func() { done <- inspect.Record(ctx, &b, opts...) }()
			g := started(t, "g", waits(root))
			require.Eventually(t, func() bool { return timeline.Active() != nil }, 10*time.Second, time.Millisecond)
			for range 10_000 {
				_, _ = g.Switch(nil)
			}
			time.Sleep(30 * time.Millisecond)
			for range 10 {
				_, _ = g.Switch(nil)
			}
			cancel()
			require.NoError(t, <-done)
		})
		var file struct {
			TraceEvents []struct{ Ph string }
			OtherData   struct{ Dropped, Seconds float64 }
		}
		require.NoError(t, json.Unmarshal([]byte(b.String()), &file))
		for _, e := range file.TraceEvents {
			if e.Ph == "f" {
				flows++
			}
		}
		return flows, file.OtherData.Dropped, file.OtherData.Seconds
	}
	flows, dropped, _ := record()
	assert.GreaterOrEqual(t, flows, 20_000)
	assert.Zero(t, dropped)
	flows, dropped, _ = record(inspect.Events(1024))
	assert.LessOrEqual(t, flows, 1024+256)
	assert.Greater(t, flows, 1000)
	assert.Greater(t, dropped, 18_000.)
	flows, _, seconds := record(inspect.Last(25 * time.Millisecond))
	assert.GreaterOrEqual(t, flows, 20)
	assert.Less(t, flows, 20_000)
	assert.LessOrEqual(t, seconds, .025)
	assert.Error(t, inspect.Record(context.Background(), io.Discard, inspect.Events(0)))
	assert.Error(t, inspect.Record(context.Background(), io.Discard, inspect.Last(-1)))
}

// The bound holds for the events of trees that have ended, too.
func TestARecordingOfManyTreesIsBounded(t *testing.T) {
	const trees, limit = 1000, 600
	ctx, cancel := context.WithCancel(context.Background())
	var b strings.Builder
	done := make(chan error)
	go func() { done <- inspect.Record(ctx, &b, inspect.Events(limit)) }()
	require.Eventually(t, func() bool { return timeline.Active() != nil }, 10*time.Second, time.Millisecond)
	for range trees {
		tree(t, func(*greenlet.Greenlet) { started(t, "", func(any) (any, error) { return nil, nil }) })
	}
	cancel()
	require.NoError(t, <-done)
	var file struct {
		TraceEvents []struct{ Ph string }
		OtherData   struct{ Dropped int }
	}
	require.NoError(t, json.Unmarshal([]byte(b.String()), &file))
	runs := 0
	for _, e := range file.TraceEvents {
		if e.Ph == "X" {
			runs++
		}
	}
	assert.Greater(t, runs, limit/4)
	assert.LessOrEqual(t, runs, limit)
	// Each tree has a beginning, two switches, a start, and two ends. A tree of another test may end meanwhile.
	assert.GreaterOrEqual(t, file.OtherData.Dropped, 6*trees-limit)
	assert.Less(t, file.OtherData.Dropped, 6*trees-limit+trees/10)
}

// watched runs f under a watchdog and returns the reports.
func watched(t *testing.T, limit time.Duration, f func()) []inspect.Report {
	t.Helper()
	var mu sync.Mutex
	var all []inspect.Report
	stop := inspect.Watch(limit, func(r inspect.Report) {
		mu.Lock()
		defer mu.Unlock()
		all = append(all, r)
	})
	f()
	stop()
	stop()
	time.Sleep(limit) // stop does not wait for a report that has begun
	mu.Lock()
	defer mu.Unlock()
	return all
}

// lateness measures, until the function that it returns is called, by how much a timer of another
// goroutine of this process is late at most. It is the control for bounds on times.
func lateness() func() time.Duration {
	stop, longest := make(chan struct{}), make(chan time.Duration)
	go func() {
		const nap = 10 * time.Millisecond
		worst := time.Duration(0)
		for {
			begin := time.Now()
			select {
			case <-time.After(nap):
				worst = max(worst, time.Since(begin)-nap)
			case <-stop:
				longest <- worst
				return
			}
		}
	}()
	return func() time.Duration { close(stop); return <-longest }
}

func TestWatch(t *testing.T) {
	const limit = 100 * time.Millisecond
	spin := func(d time.Duration) {
		for begin := time.Now(); time.Since(begin) < d; {
			runtime.KeepAlive(d)
		}
	}
	t.Run("one that computes", func(t *testing.T) {
		tree(t, func(root *greenlet.Greenlet) {
			var g *greenlet.Greenlet
			late := lateness()
			reports := watched(t, limit, func() {
				g = started(t, "spins", func(any) (any, error) { spin(3 * limit); return nil, nil })
			})
			require.Len(t, reports, 1, "once")
			r := reports[0]
			assert.Same(t, g, r.Greenlet)
			assert.GreaterOrEqual(t, r.Held, limit)
			assert.Less(t, r.Held, 2*limit+late())
			assert.False(t, r.InC)
			if oneM() {
				assert.Contains(t, fmt.Sprint(r.Stack), "TestWatch")
			}
		})
	})
	t.Run("one in C", func(t *testing.T) {
		if !cgotest.Available {
			t.Skip("there is no C")
		}
		tree(t, func(root *greenlet.Greenlet) {
			var g *greenlet.Greenlet
			reports := watched(t, limit, func() {
				g = started(t, "sleeps", func(any) (any, error) { cgotest.Sleep(3 * limit); return nil, nil })
			})
			require.Len(t, reports, 1)
			assert.Same(t, g, reports[0].Greenlet)
			if oneM() {
				assert.True(t, reports[0].InC)
				assert.Contains(t, fmt.Sprint(reports[0].Stack), "cgotest.Sleep")
			}
		})
	})
	t.Run("those that switch", func(t *testing.T) {
		tree(t, func(root *greenlet.Greenlet) {
			g := started(t, "polite", waits(root))
			longest := time.Duration(0) // without a switch, since a busy machine may stop this thread
			reports := watched(t, limit, func() {
				begin := time.Now()
				for last := begin; last.Sub(begin) < 3*limit; {
					_, _ = g.Switch(nil)
					now := time.Now()
					longest, last = max(longest, now.Sub(last)), now
				}
			})
			if longest < limit/2 {
				assert.Empty(t, reports)
			}
			assert.Empty(t, watched(t, limit, func() { time.Sleep(3 * limit) }), "a root that waits")
		})
	})
	t.Run("a root that waits while tasklets could run", func(t *testing.T) {
		if !oneM() {
			t.Skip("there what a root waits in is not known")
		}
		tree(t, func(root *greenlet.Greenlet) {
			tasklet.Go(func() {})
			reports := watched(t, limit, func() { time.Sleep(3 * limit) })
			require.Len(t, reports, 1)
			assert.Same(t, root, reports[0].Greenlet)
			assert.Contains(t, fmt.Sprint(reports[0].Stack), "time.Sleep")
			require.NoError(t, tasklet.Run())
		})
	})
}
