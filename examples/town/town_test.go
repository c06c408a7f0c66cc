//go:build linux

package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-greenlet/greenlet"
	"github.com/go-greenlet/greenlet/internal/browser"
)

// lives runs a town during a call of f.
func lives(t *testing.T, people int, f func(town *Town)) {
	t.Helper()
	if d := os.Getenv("GODEBUG"); strings.Contains(d, "asyncpreemptoff=1") || strings.Contains(d, "gccheckmark=1") {
		t.Skip("nobody can stop the drunkard's loop, which has no calls") // gccheckmark=1 implies asyncpreemptoff=1 (runtime1.go)
	}
	town := NewTown(people)
	stop, done := make(chan struct{}), make(chan error)
	go func() { done <- town.Run(stop) }()
	defer func() {
		close(stop)
		require.NoError(t, <-done)
	}()
	f(town)
}

func (t *Town) eventually(tb testing.TB, what string, yes func() bool) {
	tb.Helper()
	for end := time.Now().Add(60 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		now := false
		t.Do(func() { now = yes() })
		if now {
			return
		}
		require.True(tb, time.Now().Before(end), what)
	}
}

// The baker crashes, and the watchdog finds that the drunkard holds the thread. Both are put aside
// with their names, and all other scripts go on.
func TestTheTownLivesOn(t *testing.T) {
	lives(t, 100, func(town *Town) {
		town.eventually(t, "both are put aside", func() bool { // on a slow machine others may be, too
			return slices.Contains(town.aside, "drunkard: it did not let go, and was killed") &&
				strings.Contains(strings.Join(town.aside, "\n"), "baker: runtime error: index out of range")
		})
		var x float64
		town.Do(func() { x = town.people[0].x })
		town.eventually(t, "others walk", func() bool { return town.people[0].x != x })
		town.Do(func() {
			p := town.people[50]
			before := p.g
			assert.Same(t, p, before.Value())
			assert.NoError(t, p.Reload())
			assert.True(t, before.Dead())
			assert.NoError(t, p.Kill())
			assert.NoError(t, p.Kill())
			assert.NoError(t, p.Reload())
		})
		town.eventually(t, "it goes on", func() bool { return town.people[50].g.State() == greenlet.Suspended })
	})
}

// The page works in a real browser: people move, and can be chosen, killed and reloaded.
func TestTheShow(t *testing.T) {
	if testing.Short() {
		t.Skip("it starts a browser")
	}
	browser.Need(t)
	lives(t, 2000, func(town *Town) {
		mux := http.NewServeMux()
		town.Routes(mux)
		mux.Handle("/debug/", http.DefaultServeMux)
		s := httptest.NewServer(mux)
		defer s.CloseClientConnections()
		p := browser.Open(t, s.URL, 1500, 900)
		p.Until(`picture !== null && picture.people.length === 6000`)
		p.Until(`document.querySelector("#aside").textContent.includes("drunkard: it did not let go")`)
		p.Until(`document.querySelector("#aside").textContent.includes("baker: runtime error")`)
		p.Until(`document.querySelector("#inspector").contentDocument.querySelector("h1")?.textContent.includes("greenlets in 1 trees")`)

		// A click chooses a person, whose stack and time line the page shows.
		p.Eval(`{ const c = document.querySelector("#town"), r = c.getBoundingClientRect();
			c.dispatchEvent(new MouseEvent("click", {clientX: r.x + 100, clientY: r.y + 500, bubbles: true})) }`)
		p.Until(`document.querySelector("#stack").textContent.includes("(*Person).wait")`)
		n := int(p.Eval("chosen").(float64))
		assert.True(t, strings.HasPrefix(p.Eval(`document.querySelector("#who").textContent`).(string), fmt.Sprintf("npc-%d: ", n)))
		p.Eval(`document.querySelector("#line").click()`)
		p.Until(`document.querySelector("#track").dataset.runs !== undefined`)
		if file := os.Getenv("GREENLET_SCREENSHOT"); file != "" {
			p.Screenshot(file)
		}
		p.Eval(`document.querySelector("#kill").click()`)
		p.Until(fmt.Sprintf(`picture.people[3 * %d] === 0 && document.querySelector("#who").textContent.includes("put aside")`, n))
		p.Eval(`document.querySelector("#reload").click()`)
		p.Until(fmt.Sprintf(`picture.people[3 * %d] !== 0`, n))
		p.Until(`document.querySelector("#stack").textContent.includes("(*Person)")`)
		assert.Empty(t, p.Errors())
		status := p.Eval(`fetch("/kill?n=99999", {method: "POST"}).then(r => r.status)`)
		assert.EqualValues(t, 404, status)
	})
}
