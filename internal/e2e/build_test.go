//go:build !race

package e2e_test

import (
	"go/build"
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
	for _, args := range [][]string{{"mod", "tidy"}, {"mod", "vendor"}} {
		cmd := exec.Command("go", args...)
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "go %v: %s", args, out)
	}
	for _, cgo := range []string{"1", "0"} {
		cmd := exec.Command("go", "run", "-mod=vendor", ".")
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "CGO_ENABLED="+cgo)
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "CGO_ENABLED=%s: %s", cgo, out)
		assert.Equal(t, "it works\n", string(out))
	}
}

// A module that imports this one builds and runs without cgo as well, and is vetted on
// every system that Go knows.
func TestAConsumerOnEverySystem(t *testing.T) {
	for _, system := range []string{"linux", "darwin", "windows", "freebsd", "netbsd", "openbsd", "dragonfly", "solaris", "plan9", "js", "wasip1"} {
		for _, cgo := range []bool{false, true} {
			c := build.Default
			c.GOOS, c.GOARCH, c.CgoEnabled = system, "amd64", cgo
			if system == "js" || system == "wasip1" {
				c.GOARCH = "wasm"
			}
			for _, dir := range []string{".", "tasklet", "internal/gort", "internal/handle", "csrc"} {
				p, err := c.ImportDir(dir, 0)
				require.NoError(t, err, "%s: %s", system, dir)
				if system == "linux" && cgo {
					continue
				}
				// The same files with cgo and without: what vets without it does so with it.
				assert.Empty(t, p.CgoFiles, "%s: %s", system, dir)
				assert.Empty(t, p.CFiles, "%s: %s", system, dir)
				c := c
				c.CgoEnabled = false
				without, err := c.ImportDir(dir, 0)
				require.NoError(t, err)
				if system == "windows" && dir == "internal/gort" {
					// The engine of one M is there without cgo only. With it each file is one that the
					// same system, or another without that engine, vets.
					c.GOOS = "darwin"
					other, err := c.ImportDir(dir, 0)
					require.NoError(t, err)
					assert.Subset(t, append(without.GoFiles, other.GoFiles...), p.GoFiles)
					assert.Subset(t, append(without.SFiles, other.SFiles...), p.SFiles)
					continue
				}
				assert.Equal(t, without.GoFiles, p.GoFiles, "%s: %s", system, dir)
				assert.Equal(t, without.SFiles, p.SFiles, "%s: %s", system, dir)
			}
		}
	}
}
