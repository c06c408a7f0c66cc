package main

import (
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The demo runs this program once more as its child.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == iterPullWalk {
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
