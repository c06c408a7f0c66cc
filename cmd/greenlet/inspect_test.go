//go:build cgo && linux

package main

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-greenlet/greenlet"
)

// The subcommands show the greenlets of a process that serves the page, which is the test's own.
func TestLookingIntoAProcess(t *testing.T) {
	s := httptest.NewServer(http.DefaultServeMux)
	defer s.Close()
	socket := filepath.Join(t.TempDir(), "socket")
	l, err := net.Listen("unix", socket)
	require.NoError(t, err)
	defer l.Close()
	go func() { _ = http.Serve(l, nil) }()

	call := func(args ...string) string {
		t.Helper()
		var out, errs strings.Builder
		assert.Zero(t, run(args, &out, &errs), errs.String())
		return out.String()
	}
	refused := func(args ...string) string {
		t.Helper()
		var out, errs strings.Builder
		assert.NotZero(t, run(args, &out, &errs), out.String())
		return errs.String()
	}
	require.NoError(t, greenlet.Run(func(root *greenlet.Greenlet) error {
		waits := func(any) (any, error) { return root.Switch(nil) }
		outer := greenlet.New(func(any) (any, error) {
			_, err := greenlet.New(waits, greenlet.WithName("inner")).Switch(nil)
			if err == nil {
				_, err = root.Switch(nil)
			}
			return nil, err
		}, greenlet.WithName("outer"))
		_, err := outer.Switch(nil)
		require.NoError(t, err)
		_, err = outer.Switch(nil)
		require.NoError(t, err)
		for _, target := range []string{s.URL, strings.TrimPrefix(s.URL, "http://"), s.URL + "/debug/greenlets", socket, "unix:" + socket} {
			out := call("ps", target)
			assert.Regexp(t, fmt.Sprintf(`(?m)^%d +outer +suspended`, outer.ID()), out, target)
		}
		outer.SetName("outer\x1b[2J")
		for _, args := range [][]string{{"ps", s.URL}, {"ps", "-tree", s.URL}, {"top", s.URL, "-n", "1"}} {
			assert.Contains(t, call(args...), `outer\x1b[2J `)
		}
		outer.SetName("outer")
		tree := call("ps", "-tree", s.URL)
		columns := regexp.MustCompile(`(?m)^(\d+ +)root .*\n(\d+ +)outer .*\n(\d+ +)inner `).FindStringSubmatch(tree)
		if assert.Len(t, columns, 4, tree) {
			assert.Equal(t, len(columns[1])+2, len(columns[2]), tree)
			assert.Equal(t, len(columns[2])+2, len(columns[3]), tree)
		}
		assert.Regexp(t, `3 greenlets in 1 trees`, call("top", s.URL, "-n", "2", "-d", "1ms", "-sort", "name"))
		assert.Contains(t, call("stack", s.URL, fmt.Sprint(outer.ID())), "outer/")
		file := filepath.Join(t.TempDir(), "file")
		assert.Contains(t, call("record", s.URL, file, "-seconds", "0.01"), file)
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		assert.Contains(t, string(text), `"traceEvents"`)

		assert.Contains(t, refused("stack", s.URL, "99999999"), "no living greenlet")
		assert.Contains(t, refused("stack", s.URL, "x"), "no greenlet's number")
		assert.Contains(t, refused("ps", s.URL+"/other"), "404")
		assert.Contains(t, refused("ps"), "URL|SOCKET")
		assert.Contains(t, refused("ps", "nothing"), "no URL")
		assert.Contains(t, refused("ps", "unix:/no/socket"), "no such file")
		assert.Contains(t, refused("top", s.URL, "-sort", "beauty"), "-sort")
		assert.Contains(t, refused("record", s.URL, "/no/such/file", "-seconds", "0.01"), "no such file")
		return nil
	}))
	for _, name := range []string{"gdb", "dlv"} {
		_, err := os.Stat(strings.TrimSpace(call(name)))
		assert.NoError(t, err)
	}
}
