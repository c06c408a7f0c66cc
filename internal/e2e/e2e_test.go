//go:build !race

// Package e2e tests the repository from outside: what takes other modules, other programs and
// the pages of the documentation, each in processes of its own. Its tests run in the top
// folder of the repository, so that paths are what they are there. What they run is in processes without the race detector,
// so with it they would only run once more.
package e2e_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/go-greenlet/greenlet"
)

func TestMain(m *testing.M) {
	if err := os.Chdir("../.."); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
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

// oneM says whether the engine of one M is in use, here and in child processes alike.
func oneM() bool { return strings.HasPrefix(greenlet.Runtime(), "one M") }
