//go:build cgo && linux

package main

import (
	"bytes"
	"compress/gzip"
	"encoding/xml"
	"io"
	"os"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The demo and the benchmarks run their own executable as a child process, which is this test binary.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && (os.Args[1] == iterPullWalk || os.Args[1] == benchChild) {
		main()
	}
	os.Exit(m.Run())
}

func call(args ...string) (status int, stdout, stderr string) {
	var out, err strings.Builder
	status = run(args, &out, &err)
	return status, out.String(), err.String()
}

func TestDemo(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(dir+"/file", []byte("12345"), 0o600))
	status, out, stderr := call("demo", dir)
	if strings.Contains(stderr, syscall.ENOEXEC.Error()) {
		t.Skip("an emulator cannot start the child")
	}
	assert.Zero(t, status)
	assert.Empty(t, stderr)
	for _, want := range []string{
		"   left  2\n            right 2\n",
		"   cab 312\n",
		"   walk 1: file                                   5 bytes\n",
		"   walk 2: file                                   5 bytes\n",
		"   | fatal error: coro: OS thread locking must match locking at coroutine creation\n",
		"   the child ends with exit status 2\n",
		"   sorted: [apple fig pear plum]\n",
	} {
		assert.Contains(t, out, want)
	}
	for line := range strings.Lines(out) {
		assert.Equal(t, strings.TrimRight(line, " \n")+"\n", line, "trailing blanks")
	}
}

func TestBench(t *testing.T) {
	svg := t.TempDir() + "/plot.svg"
	cases := []string{"ring/2-1", "C/1/frames-0-1", "first-thread", "plain-path/2-1", "cold-start", "memory"}
	if !testing.Short() {
		cases = append(cases, "profile/200")
	}
	status, out, stderr := call("bench", "-quick", "-run", "^("+strings.Join(cases, "|")+")$", "-svg", svg)
	if strings.Contains(stderr, syscall.ENOEXEC.Error()) {
		t.Skip("an emulator cannot start the child")
	}
	require.Zero(t, status, stderr)
	assert.Empty(t, stderr)
	for _, c := range cases {
		ours := regexp.MustCompile(`(?m)^` + c + ` +([0-9.]+)`).FindStringSubmatch(out)
		require.Len(t, ours, 2, "no line for %s in\n%s", c, out)
		value, err := strconv.ParseFloat(ours[1], 64)
		require.NoError(t, err)
		assert.Positive(t, value, c)
	}

	file, err := os.Open(svg)
	require.NoError(t, err)
	defer file.Close()
	curves := 0
	for d := xml.NewDecoder(file); ; {
		token, err := d.Token()
		if err == io.EOF {
			break
		}
		require.NoError(t, err)
		if e, ok := token.(xml.StartElement); ok && e.Name.Local == "polyline" {
			curves++
			for _, a := range e.Attr {
				assert.NotContains(t, a.Value, "NaN")
				assert.NotContains(t, a.Value, "Inf")
			}
		}
	}
	assert.Equal(t, 3, curves)
}

func TestBenchMisuse(t *testing.T) {
	for _, args := range [][]string{{"-fast"}, {"ring"}, {"-run", "("}, {"-quick", "-run", "^$", "-svg", t.TempDir() + "/none/x"}} {
		status, _, stderr := call(append([]string{"bench"}, args...)...)
		assert.Equal(t, 1, status, args)
		assert.Contains(t, stderr, "greenlet bench: ")
	}
	for _, args := range [][]string{{}, {"cold"}, {"cold", "nobody", "1"}, {"profile", "x"}, {"ring", "2", "x"}, {"ring", "2", "1", "x"}, {"ring", "x", "1", "1ms"}} {
		status, _, stderr := call(append([]string{benchChild}, args...)...)
		assert.Equal(t, 1, status, args)
		assert.NotEmpty(t, stderr)
	}
}

// The values of a sample may be encoded packed or one by one.
func TestProfileTotal(t *testing.T) {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, err := z.Write([]byte{
		2<<3 | 2, 4, 2 << 3, 1, 2 << 3, 100, // a sample: 1, 100
		2<<3 | 2, 4, 2<<3 | 2, 2, 3, 50, // a sample: 3, 50
		3<<3 | 2, 1, 0, 9 << 3, 7, // other fields
	})
	require.NoError(t, err)
	require.NoError(t, z.Close())
	total, err := profileTotal(&b)
	require.NoError(t, err)
	assert.Equal(t, 150*time.Nanosecond, total)
	for _, bad := range [][]byte{{2<<3 | 2, 4, 2 << 3}, {2<<3 | 2}, {2<<3 | 2, 2, 2 << 3, 1}, {1}} {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		_, err := z.Write(bad)
		require.NoError(t, err)
		require.NoError(t, z.Close())
		_, err = profileTotal(&b)
		assert.Error(t, err, bad)
	}
}

func TestUsage(t *testing.T) {
	for _, args := range [][]string{{}, {"demon"}, {""}} {
		status, out, stderr := call(args...)
		assert.Equal(t, 2, status)
		assert.Empty(t, out)
		assert.Contains(t, stderr, "usage: greenlet COMMAND")
	}
	status, out, stderr := call("help")
	assert.Zero(t, status)
	assert.Contains(t, out, "demo [DIR...]")
	assert.NotContains(t, out, iterPullWalk)
	assert.Empty(t, stderr)
}

func TestDemoNeedsDirectories(t *testing.T) {
	for _, dir := range []string{t.TempDir() + "/none", "/dev/null"} {
		status, _, stderr := call("demo", dir)
		assert.Equal(t, 1, status)
		assert.Contains(t, stderr, dir)
	}
}
