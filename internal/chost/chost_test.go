package chost_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestThreadsOfACProgramComeAndGo(t *testing.T) {
	if strings.Contains(os.Getenv("CC"), "musl") {
		t.Skip("musl has no ucontext, and cannot load what Go makes a shared library of")
	}
	for _, mode := range []string{"c-archive", "c-shared"} {
		t.Run(mode, func(t *testing.T) {
			host := []string{build(t, mode)}
			waves, leave, kib := "63", "1", "4096" // 1,000 threads
			if emulator := os.Getenv("GREENLET_EMULATOR"); emulator != "" {
				host = append([]string{emulator}, host...)
				kib = "1000000" // its own
			}
			if testing.Short() {
				waves = "8"
			}
			if os.Getenv("GREENLET_RUNTIME") == "plain" {
				leave = "0" // such greenlets are lost there: their stacks cannot be freed
			}
			out, err := exec.Command(host[0], append(host[1:], waves, "16", leave, kib)...).CombinedOutput()
			assert.NoError(t, err, "%s", out)
			t.Logf("%s", out)
		})
	}
}

func build(t *testing.T, mode string) (host string) {
	dir := t.TempDir()
	lib := filepath.Join(dir, map[string]string{"c-archive": "lib.a", "c-shared": "lib.so"}[mode])
	run(t, "go", "build", "-buildmode="+mode, "-o", lib, "./lib")
	host = filepath.Join(dir, "host")
	cc, err := exec.Command("go", "env", "CC").Output()
	require.NoError(t, err)
	args := []string{"-O2", "-Wall", "-Wextra", "-Werror", "-I" + dir, "-I../../csrc", "-o", host,
		"testdata/host.c", lib, "-Wl,-rpath," + dir, "-lpthread"}
	run(t, strings.TrimSpace(string(cc)), append(args, strings.Fields(os.Getenv("CGO_LDFLAGS"))...)...)
	return host
}

func run(t *testing.T, name string, args ...string) {
	out, err := exec.Command(name, args...).CombinedOutput()
	require.NoError(t, err, "%s %v: %s", name, args, out)
}
