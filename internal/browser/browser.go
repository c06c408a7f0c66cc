// Package browser drives a real browser in tests: Chromium, by its DevTools protocol. The protocol
// goes over a pair of pipes and not over a WebSocket, so no library is needed.
package browser

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"
)

// A Page is a page in a browser of its own. The goroutine of the test calls its methods; read runs
// on another one.
type Page struct {
	t       testing.TB
	out     *os.File
	session string        // DevTools session of the page; empty until Open has attached to it
	gone    chan struct{} // closed by read when the browser has closed its pipe

	mu      sync.Mutex          // guards what follows
	last    int                 // ID of the last request; 0: none yet
	waiting map[int]chan answer // by the request's ID; read removes an entry when it delivers the answer
	errors  []string            // the exceptions that scripts have not caught
}

type answer struct {
	Result json.RawMessage
	Error  *struct{ Message string }
}

// Need returns the path of Chromium, and skips the test where there is none.
func Need(t testing.TB) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if found, err := exec.LookPath(name); err == nil {
			return found
		}
	}
	t.Skip("there is no chromium: apt-get install chromium")
	return ""
}

// Open starts a browser with a window of that size and loads url. The end of the test closes it.
func Open(t testing.TB, url string, width, height int) *Page {
	t.Helper()
	exe := Need(t)
	theirIn, in, err := os.Pipe()
	must(t, err)
	from, theirOut, err := os.Pipe()
	must(t, err)
	args := []string{"--headless=new", "--remote-debugging-pipe", "--no-first-run", "--disable-gpu", "--hide-scrollbars", "--disable-dev-shm-usage",
		"--user-data-dir=" + t.TempDir(), fmt.Sprintf("--window-size=%d,%d", width, height), "about:blank"}
	if os.Getuid() == 0 {
		args = append(args, "--no-sandbox") // Chromium refuses to run as root with its sandbox
	}
	cmd := exec.Command(exe, args...)
	cmd.ExtraFiles = []*os.File{theirIn, theirOut} // file descriptors 3 and 4, by --remote-debugging-pipe
	var log strings.Builder
	cmd.Stderr = &log
	must(t, cmd.Start())
	theirIn.Close()
	theirOut.Close()
	p := &Page{t: t, out: in, waiting: map[int]chan answer{}, gone: make(chan struct{})}
	go p.read(from)
	t.Cleanup(func() {
		_, _ = p.call("Browser.close", nil)
		in.Close()
		killer := time.AfterFunc(10*time.Second, func() { _ = cmd.Process.Kill() })
		_ = cmd.Wait()
		killer.Stop()
		from.Close()
		if t.Failed() {
			t.Logf("chromium: %.2000s", log.String())
		}
	})
	var target struct{ TargetID, SessionID string }
	p.must("Target.createTarget", map[string]any{"url": "about:blank"}, &target)
	p.must("Target.attachToTarget", map[string]any{"targetId": target.TargetID, "flatten": true}, &target)
	p.session = target.SessionID
	p.must("Page.enable", nil, nil)
	p.must("Runtime.enable", nil, nil)
	p.must("Emulation.setDeviceMetricsOverride", map[string]any{"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false}, nil)
	p.must("Page.navigate", map[string]any{"url": url}, nil)
	p.Until("document.readyState === 'complete' && location.href !== 'about:blank'")
	return p
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// read delivers the browser's answers to the goroutines that wait for them, until the pipe ends.
// Messages are JSON, each with a zero byte behind it. One without an ID is an event, of which only
// exceptions are of interest.
func (p *Page) read(from *os.File) {
	defer close(p.gone)
	in := bufio.NewReaderSize(from, 1<<20)
	for {
		text, err := in.ReadBytes(0)
		if err != nil {
			return
		}
		var m struct {
			ID     int
			Method string
			Params json.RawMessage
			answer
		}
		if json.Unmarshal(text[:len(text)-1], &m) != nil {
			continue
		}
		p.mu.Lock()
		if m.Method == "Runtime.exceptionThrown" {
			p.errors = append(p.errors, string(m.Params))
		}
		c := p.waiting[m.ID]
		delete(p.waiting, m.ID)
		p.mu.Unlock()
		if c != nil {
			c <- m.answer
		}
	}
}

// call sends a request and waits for its answer.
func (p *Page) call(method string, params map[string]any) (json.RawMessage, error) {
	p.mu.Lock()
	p.last++
	id := p.last
	c := make(chan answer, 1)
	p.waiting[id] = c
	p.mu.Unlock()
	m := map[string]any{"id": id, "method": method}
	if params != nil {
		m["params"] = params
	}
	if p.session != "" {
		m["sessionId"] = p.session
	}
	text, err := json.Marshal(m)
	if err != nil {
		return nil, err
	}
	if _, err := p.out.Write(append(text, 0)); err != nil {
		return nil, err
	}
	select {
	case a := <-c:
		if a.Error != nil {
			return nil, fmt.Errorf("%s: %s", method, a.Error.Message)
		}
		return a.Result, nil
	case <-p.gone:
		return nil, fmt.Errorf("%s: the browser has gone", method)
	case <-time.After(time.Minute):
		return nil, fmt.Errorf("%s: no answer", method)
	}
}

func (p *Page) must(method string, params map[string]any, into any) {
	p.t.Helper()
	result, err := p.call(method, params)
	must(p.t, err)
	if into != nil {
		must(p.t, json.Unmarshal(result, into))
	}
}

// Eval returns the value of a JavaScript expression; of a promise, the value that it resolves to. An
// exception fails the test.
func (p *Page) Eval(expression string) any {
	p.t.Helper()
	var r struct {
		Result           struct{ Value any }
		ExceptionDetails *struct{ Exception struct{ Description string } }
	}
	p.must("Runtime.evaluate", map[string]any{"expression": expression, "returnByValue": true, "awaitPromise": true}, &r)
	if r.ExceptionDetails != nil {
		p.t.Fatalf("%s: %s", expression, r.ExceptionDetails.Exception.Description)
	}
	return r.Result.Value
}

// Until waits until a JavaScript expression is true, and fails the test after 30 s.
func (p *Page) Until(expression string) {
	p.t.Helper()
	for end := time.Now().Add(30 * time.Second); p.Eval(expression) != true; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			p.t.Fatalf("it never came true: %s\n%.2000s", expression, p.Eval("document.body.innerText"))
		}
	}
}

// Errors returns the exceptions that the page's scripts have not caught.
func (p *Page) Errors() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.errors
}

// Screenshot writes the visible part of the page into a PNG file.
func (p *Page) Screenshot(file string) {
	p.t.Helper()
	var r struct{ Data string }
	p.must("Page.captureScreenshot", map[string]any{"format": "png"}, &r)
	b, err := base64.StdEncoding.DecodeString(r.Data)
	must(p.t, err)
	must(p.t, os.WriteFile(file, b, 0o644))
}
