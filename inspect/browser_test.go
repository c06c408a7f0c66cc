//go:build linux

package inspect_test

import (
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-greenlet/greenlet"
	"github.com/go-greenlet/greenlet/internal/browser"
)

//go:noinline
func atTheWell(root *greenlet.Greenlet) error {
	_, err := root.Switch(nil)
	return err
}

// The page works in a real browser, of a process with 2,000 greenlets: the filter finds one by its
// place, its stack is shown, it disappears from the list when it has ended, and a time line is drawn.
func TestInABrowser(t *testing.T) {
	if testing.Short() {
		t.Skip("it starts a browser")
	}
	browser.Need(t)
	url := server(t)
	tree(t, func(root *greenlet.Greenlet) {
		var all []*greenlet.Greenlet
		for i := range 1999 {
			all = append(all, started(t, fmt.Sprintf("walker-%d", i), waits(root)))
		}
		well := started(t, "washer", func(any) (any, error) { return nil, atTheWell(root) })
		stop, stopped, kill, killed := make(chan bool), make(chan bool), make(chan bool), make(chan bool)
		go func() { // drives the browser, while the root's goroutine switches
			defer close(stopped)
			defer close(stop)
			p := browser.Open(t, url, 1200, 800)
			assert.Equal(t, true, p.Eval(`document.querySelector("h1").textContent.startsWith("2001 greenlets in 1 trees")`))
			p.Until(`Number(document.querySelector("#rate")?.textContent) > 0`)
			if oneM() {
				p.Eval(`document.querySelector("[name=place]").value = "atTheWell"; document.querySelector("#filter").submit()`)
				p.Until(`location.search.includes("atTheWell") && document.querySelectorAll("table.tree a.one").length === 1`)
			} else {
				p.Eval(`document.querySelector("[name=name]").value = "washer"; document.querySelector("#filter").submit()`)
				p.Until(`location.search.includes("washer") && document.querySelectorAll("table.tree a.one").length === 1`)
			}
			assert.Equal(t, fmt.Sprintf("washer/%d", well.ID()), p.Eval(`document.querySelector("table.tree a.one").textContent`))
			p.Eval(`document.querySelector("table.tree a.one").click()`)
			p.Until(`document.querySelector("#side #stack") !== null`)
			if oneM() {
				assert.Contains(t, p.Eval(`document.querySelector("#side #stack").textContent`), "atTheWell")
			}
			p.Eval(`document.querySelector("#close").click()`)
			kill <- true
			<-killed
			p.Until(`document.querySelectorAll("table.tree a.one").length === 0`)
			p.Eval(`document.querySelector("#record").click()`)
			p.Until(`Number(document.querySelector("#line").dataset.tracks) > 10`)
			assert.Regexp(t, `greenlets ran \d+ times`, p.Eval(`document.querySelector("#linetext").textContent`))
			if file := os.Getenv("GREENLET_SCREENSHOT"); file != "" {
				p.Eval(`location.search = ""`)
				p.Until(`location.search === "" && document.querySelectorAll("table.tree a.one").length > 100`)
				p.Eval(`document.querySelector("#record").click()`)
				p.Until(`Number(document.querySelector("#line")?.dataset.tracks) > 10`)
				p.Screenshot(file)
			}
			assert.Empty(t, p.Errors())
		}()
		for i := 0; ; i++ {
			select {
			case <-kill:
				require.NoError(t, well.Kill())
				close(killed)
			case <-stop:
				<-stopped
				return
			default:
			}
			_, err := all[i*i%len(all)].Switch(nil)
			require.NoError(t, err)
			if i%20 == 0 {
				time.Sleep(time.Millisecond) // as an event loop does; it leaves the browser a processor
			}
		}
	})
}
