//go:build cgo && linux

package chost_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-greenlet/greenlet/internal/cgotest"
)

func TestThreadsOfACProgramComeAndGo(t *testing.T) {
	if !cgotest.Glibc {
		t.Skip("musl has no ucontext, and cannot load what Go makes a shared library of")
	}
	for _, mode := range []string{"c-archive", "c-shared"} {
		t.Run(mode, func(t *testing.T) {
			host := []string{build(t, "host.c", mode, nil, nil)}
			waves, leave, kib := "63", "1", "4096" // 1,000 threads
			if emulator := os.Getenv("GREENLET_EMULATOR"); emulator != "" {
				host = append([]string{emulator}, host...)
				kib = "1000000" // its own
			}
			if testing.Short() {
				waves = "8"
			}
			if v := os.Getenv("GREENLET_RUNTIME"); v == "plain" || v == "portable" {
				leave = "0" // such greenlets are lost there: their stacks cannot be freed
			}
			out, err := exec.Command(host[0], append(host[1:], waves, "16", leave, kib)...).CombinedOutput()
			assert.NoError(t, err, "%s", out)
			t.Logf("%s", out)
		})
	}
}

// What a library keeps for each thread has to fit into the little room that the C
// library leaves for those that are loaded late.
func TestSeveralGoLibrariesInOneProgram(t *testing.T) {
	if !cgotest.Glibc {
		t.Skip("musl cannot load what Go makes a shared library of")
	}
	if runtime.GOARCH != "amd64" {
		t.Skip("elsewhere g is searched for, and a second library does not find its own")
	}
	const copies = 4
	dir := t.TempDir()
	lib := filepath.Join(dir, "lib.so")
	run(t, "go", "build", "-buildmode=c-shared", "-o", lib, "./lib")
	exe := filepath.Join(dir, "exe")
	run(t, compiler(t), "-O2", "-Wall", "-Wextra", "-Werror", "-o", exe, "testdata/copies.c", "-ldl")
	args := []string{exe}
	if emulator := os.Getenv("GREENLET_EMULATOR"); emulator != "" {
		args = append([]string{emulator}, args...)
	}
	text, err := os.ReadFile(lib)
	require.NoError(t, err)
	for i := range copies { // by another name, so that it is another one
		name := filepath.Join(dir, fmt.Sprintf("lib%d.so", i))
		require.NoError(t, os.WriteFile(name, text, 0o755))
		args = append(args, name)
	}
	out, err := exec.Command(args[0], args[1:]...).CombinedOutput()
	require.NoError(t, err, "%s", out)
}

// The suite of the C interface as a program of C alone, by itself and watched by tools,
// each of which finds the mistake that is its business when one is made.
func TestTheSuiteAsACProgram(t *testing.T) {
	if !cgotest.Glibc {
		t.Skip("Go can make no library for musl")
	}
	env, emulator := os.Environ(), []string(nil)
	if e := os.Getenv("GREENLET_EMULATOR"); e != "" {
		emulator = []string{e}
	}
	for _, c := range []struct {
		name     string
		build    []string // flags of go build
		cc       []string
		env      []string
		with     []string
		mistakes map[string]string
	}{
		{"plain", nil, []string{"-O2"}, nil, emulator, nil},
		{"address", []string{"-asan"}, []string{"-g", "-O1", "-fsanitize=address"}, nil, nil,
			map[string]string{"overflow": "heap-buffer-overflow", "leak": "byte.* leaked in"}},
		{"undefined", nil, []string{"-g", "-O1", "-fsanitize=undefined", "-fno-sanitize-recover=all"}, nil, nil,
			map[string]string{"undefined": "signed integer overflow"}},
		// Go tells valgrind of its memory with this tag, since 1.25. Its look for leaks is not
		// up to what Go tells, and an instruction of Go's at which a signal has come is not
		// where valgrind expects one. It shows the CPU's rdtscp to Go, but cannot always run it.
		{"valgrind", []string{"-tags", "valgrind"}, []string{"-g", "-O1"}, []string{"GODEBUG=asyncpreemptoff=1,cpu.rdtscp=off"},
			[]string{"valgrind", "--error-exitcode=9", "--leak-check=no", "--suppressions=testdata/valgrind.supp"},
			map[string]string{"overflow": "Invalid write of size 1"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.name != "plain" {
				switch {
				case testing.Short() || emulator != nil:
					t.Skip("builds the Go runtime anew, for this machine")
				case len(c.with) > 0 && strings.HasPrefix(runtime.Version(), "go1.24"):
					t.Skip("this Go does not know of valgrind")
				}
			}
			if len(c.with) > 0 {
				if _, err := exec.LookPath(c.with[0]); err != nil {
					t.Skip("needs " + c.with[0])
				}
			}
			exe := build(t, "suite.c", "c-archive", c.build, c.cc)
			start := func(args ...string) (string, error) {
				args = append(append(append([]string(nil), c.with...), exe), args...)
				cmd := exec.Command(args[0], args[1:]...)
				cmd.Env = append(env, c.env...)
				out, err := cmd.CombinedOutput()
				return string(out), err
			}
			out, err := start()
			require.NoError(t, err, "%s", out)
			assert.Equal(t, 10, strings.Count(out, " thread\n"), out)
			for mistake, want := range c.mistakes {
				out, err := start(mistake)
				assert.Error(t, err, "%s: %s", mistake, out)
				assert.Regexp(t, want, out, mistake)
			}
		})
	}
}

// The headers stand alone where make install has put them, for C and C++.
func TestInstalledHeaders(t *testing.T) {
	if _, err := exec.LookPath("make"); err != nil {
		t.Skip("no make here")
	}
	dir := t.TempDir()
	run(t, "make", "-s", "-C", "../..", "install", "DESTDIR="+dir, "PREFIX=/usr")
	for compiler, language := range map[string]string{"CC": "-xc", "CXX": "-xc++"} {
		out, err := exec.Command("go", "env", compiler).Output()
		require.NoError(t, err)
		command := strings.TrimSpace(string(out))
		if _, err := exec.LookPath(command); err != nil {
			t.Log("no", command)
			continue
		}
		for _, header := range []string{"greenlet.h", "coro.h", "fiber.h"} {
			run(t, command, "-Wall", "-Wextra", "-Werror", "-pedantic", "-fsyntax-only", language, filepath.Join(dir, "usr/include", header))
		}
	}
}

// build makes a program of a C file in testdata and of lib.
func build(t *testing.T, source, mode string, flags, cflags []string) (exe string) {
	dir := t.TempDir()
	lib := filepath.Join(dir, map[string]string{"c-archive": "lib.a", "c-shared": "lib.so"}[mode])
	run(t, "go", append(append([]string{"build", "-buildmode=" + mode, "-o", lib}, flags...), "./lib")...)
	exe = filepath.Join(dir, "exe")
	args := append([]string{"-O2", "-Wall", "-Wextra", "-Werror", "-I" + dir, "-I../../csrc", "-I../capitest", "-o", exe,
		"testdata/" + source, lib, "-Wl,-rpath," + dir, "-lpthread"}, cflags...)
	run(t, compiler(t), append(args, strings.Fields(os.Getenv("CGO_LDFLAGS"))...)...)
	return exe
}

// compiler is the C compiler of cgo.
func compiler(t *testing.T) string {
	out, err := exec.Command("go", "env", "CC").Output()
	require.NoError(t, err)
	return strings.TrimSpace(string(out))
}

func run(t *testing.T, name string, args ...string) {
	out, err := exec.Command(name, args...).CombinedOutput()
	require.NoError(t, err, "%s %v: %s", name, args, out)
}
