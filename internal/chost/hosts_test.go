//go:build cgo && linux

package chost_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-greenlet/greenlet/internal/cgotest"
)

// library builds lib as a shared library for this machine.
func library(t *testing.T) (dir, file string) {
	if testing.Short() {
		t.Skip("make test-foreign has it")
	}
	if !cgotest.Glibc || os.Getenv("GREENLET_EMULATOR") != "" {
		t.Skip("the hosts are this machine's own")
	}
	dir = t.TempDir()
	file = filepath.Join(dir, "lib.so")
	run(t, "go", "build", "-buildmode=c-shared", "-o", file, "./lib")
	return dir, file
}

// python is Debian's, since that is whose modules can be had.
const python = "/usr/bin/python3"

func TestThreadsOfPython(t *testing.T) {
	if exec.Command(python, "-c", "import ctypes").Run() != nil {
		t.Skip("needs python3")
	}
	_, lib := library(t)
	out, err := exec.Command(python, "testdata/threads.py", lib).CombinedOutput()
	require.NoError(t, err, "%s", out)
	assert.Equal(t, "well\n", string(out))
}

func TestGreenletsOfPython(t *testing.T) {
	if exec.Command(python, "-c", "import ctypes, greenlet").Run() != nil {
		t.Skip("needs python3-greenlet")
	}
	_, lib := library(t)
	for range 3 {
		out, err := exec.Command(python, "testdata/greenlets.py", lib).CombinedOutput()
		require.NoError(t, err, "%s", out)
		assert.Equal(t, "well\n", string(out))
	}
	out, err := exec.Command(python, "testdata/greenlets.py", lib, "unadopted").CombinedOutput()
	assert.Error(t, err)
	assert.NotContains(t, string(out), "well")
	t.Logf("%.200s", out)
}

func TestAnAddonOfNode(t *testing.T) {
	const headers = "/usr/include/node"
	if _, err := exec.LookPath("node"); err != nil {
		t.Skip("needs nodejs")
	}
	if _, err := os.Stat(headers + "/node_api.h"); err != nil {
		t.Skip("needs libnode-dev")
	}
	dir, lib := library(t)
	addon := filepath.Join(dir, "addon.node")
	run(t, compiler(t), "-O2", "-Wall", "-Wextra", "-Werror", "-fPIC", "-shared", "-I"+headers, "-o", addon,
		"testdata/addon.c", lib, "-Wl,-rpath,"+dir)
	out, err := exec.Command("node", "testdata/addon.js", addon).CombinedOutput()
	require.NoError(t, err, "%s", out)
	assert.Equal(t, "well\n", string(out))
}
