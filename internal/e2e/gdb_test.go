//go:build cgo && linux && !race

package e2e_test

import (
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// gdb's script lists greenlets and shows where suspended ones wait: in a process,
// and in its core. The backtrace of one that runs ends at its entry.
func TestGdb(t *testing.T) {
	if _, err := exec.LookPath("gdb"); err != nil {
		t.Skip("needs gdb")
	}
	goTool(t)
	dir := t.TempDir()
	exe, core := filepath.Join(dir, "exe"), filepath.Join(dir, "core")
	out, err := exec.Command("go", "build", "-o", exe, "./internal/e2e/testdata/gdb").CombinedOutput()
	require.NoError(t, err, "%s", out)

	look := []string{"greenlets", "greenlet-bt 1 2", "greenlet-bt 99"}
	live := gdb(t, exe, append([]string{
		"handle SIGURG SIGPROF nostop noprint pass",
		"break cgotest_stack_address", "run", "bt", "generate-core-file " + core,
	}, append(look, "break forever", "continue", "bt")...)...)
	t.Log(live)
	dead := gdb(t, exe, append([]string{"core " + core}, look...)...)
	list, running := `(?m)^1 +0x[0-9a-f]+ +\d+ +suspended +\d+ `, `(?m)^3 +0x[0-9a-f]+ +\d+ +running +- `
	backtraces := []string{
		`(?s)greenlet 1:\n#1 .*glet_jump_alike .*\n#\d+ .*waitsInGo .*greenletEnter.*greenlet 2:`,
		`(?s)greenlet 2:\n#1 .*glet_jump_alike .*\n#\d+ .*waitsBehindC .*greenletEnter`,
	}
	if oneM() { // the first greenlet has no C stack
		list, running = `(?m)^1 +0x[0-9a-f]+ +\d+ +kept +- +\S+ \d{4}$`, `(?m)^2 +0x[0-9a-f]+ +\d+ +in place +- `
		backtraces = []string{
			`greenlet 1:\n#1 .*crosscall2 .*\n#2 .*cgotestCallback .*\n#3 .*cgotest_locals `,
			`greenlet 2:\nit is in place`,
		}
		if runtime.GOARCH != "amd64" {
			backtraces = nil
		}
	}
	for name, out := range map[string]string{"process": live, "core": dead} {
		assert.Regexp(t, list, out, name)
		for _, want := range append(backtraces, `no greenlet 99`) {
			assert.Regexp(t, want, out, name)
		}
	}
	for name, out := range map[string]string{"process": live, "core": dead} {
		where := ""
		if oneM() {
			where = `main\.%s at \S+main\.go:\d+$`
		}
		place := func(f string) string { return strings.ReplaceAll(where, "%s", f) }
		assert.Regexp(t, `(?m)^\d+ +root +suspended +\d+ `, out, name)
		assert.Regexp(t, `(?m)^\d+ +first +suspended +\d+ +\S+ +`+place("waitsInGo"), out, name)
		assert.Regexp(t, `(?m)^\d+ +- +suspended +\d+ +\S+ +`+place("waitsBehindC.func1"), out, name)
		assert.Regexp(t, `(?m)^\d+ +- +running +\d+ `, out, name)
	}
	assert.Regexp(t, `(?m)^#0 +forever .*\n#1 .*glet_coro_main .*\n#2 .*glet_start .*\n[^#]*$`, live)
	assert.Regexp(t, running, dead)
}

// delve's does, too.
func TestDelve(t *testing.T) {
	if _, err := exec.LookPath("dlv"); err != nil {
		t.Skip("needs dlv: go install github.com/go-delve/delve/cmd/dlv@latest")
	}
	if !oneM() {
		t.Skip("delve does not find from C's stack to a goroutine's")
	}
	goTool(t)
	exe := filepath.Join(t.TempDir(), "exe")
	out, err := exec.Command("go", "build", "-o", exe, "./internal/e2e/testdata/gdb").CombinedOutput()
	require.NoError(t, err, "%s", out)
	cmd := exec.Command("dlv", "exec", "--allow-non-terminal-interactive=true", exe)
	cmd.Stdin = strings.NewReader("break main.runs\ncontinue\nsource scripts/greenlet.star\ngreenlets\nexit\n")
	out, err = cmd.CombinedOutput()
	if strings.Contains(string(out), "operation not permitted") {
		t.Skip("this machine does not let processes be traced")
	}
	require.NoError(t, err, "%s", out)
	assert.Regexp(t, `(?m)^\d+ +first +suspended +\d+ +\d+ +main\.waitsInGo at \S+main\.go:\d+`, string(out))
	assert.Regexp(t, `(?m)^\d+ +- +suspended +\d+ +\d+ +main\.waitsBehindC\.func1 at `, string(out))
	assert.Regexp(t, `(?m)^\d+ +- +running `, string(out))
}

func gdb(t testing.TB, exe string, commands ...string) string {
	t.Helper()
	args := []string{"-batch", "-nx", "-ex", "set pagination off", "-ex", "set debuginfod enabled off",
		"-ex", "set startup-with-shell off", "-ex", "source scripts/greenlet-gdb.py"}
	for _, c := range commands {
		args = append(args, "-ex", c)
	}
	out, _ := exec.Command("gdb", append(args, exe)...).CombinedOutput() // the status is the last command's
	if strings.Contains(string(out), "ptrace: Operation not permitted") {
		t.Skip("this machine does not let processes be traced")
	}
	return string(out)
}
