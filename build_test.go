package greenlet_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const consumer = `package main

import (
	"fmt"

	"github.com/go-greenlet/greenlet"
)

func main() {
	next, stop := greenlet.Pull(func(yield func(string) bool) { yield("it works") })
	defer stop()
	v, _ := next()
	fmt.Println(v)
}
`

// A module that uses this one and vendors its dependencies builds and runs.
func TestAConsumerThatVendors(t *testing.T) {
	goTool(t)
	here, err := os.Getwd()
	require.NoError(t, err)
	dir := t.TempDir()
	write := func(name, text string) {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644))
	}
	gomod, err := os.ReadFile("go.mod")
	require.NoError(t, err)
	sum, err := os.ReadFile("go.sum")
	require.NoError(t, err)
	write("main.go", consumer)
	write("go.mod", strings.Replace(string(gomod), "module github.com/go-greenlet/greenlet", "module example.com/consumer", 1)+
		"\nrequire github.com/go-greenlet/greenlet v0.0.0\nreplace github.com/go-greenlet/greenlet => "+here+"\n")
	write("go.sum", string(sum))
	for _, args := range [][]string{{"mod", "tidy"}, {"mod", "vendor"}, {"build", "-mod=vendor", "-o", "consumer"}} {
		cmd := exec.Command("go", args...)
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "go %v: %s", args, out)
	}
	out, err := exec.Command(filepath.Join(dir, "consumer")).CombinedOutput()
	require.NoError(t, err, "%s", out)
	assert.Equal(t, "it works\n", string(out))
}

func TestWithoutCgoTheCompilerSaysWhatToDo(t *testing.T) {
	goTool(t)
	cmd := exec.Command("go", "build", "-o", os.DevNull, ".")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := cmd.CombinedOutput()
	require.Error(t, err)
	assert.Contains(t, string(out), "greenlet_needs_cgo__set_CGO_ENABLED_1_and_install_a_C_compiler")
}

// goTool skips the test where there is no go command, as under an emulator.
func goTool(t testing.TB) {
	t.Helper()
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("no go command here")
	}
	if testing.Short() {
		t.Skip("builds programs")
	}
}
