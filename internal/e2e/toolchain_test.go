//go:build !race

package e2e_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-greenlet/greenlet"
)

// cannotPass are the toolchain's tests of iter.Pull that want what this package does not
// promise. They count goroutines: one more from the call of Pull on, and none as
// soon as the iteration is over.
var cannotPass = []string{
	"TestPull", "TestPull/0", "TestPull/1", "TestPull/2", "TestPull/3",
	"TestPull2", "TestPull2/0", "TestPull2/1", "TestPull2/2", "TestPull2/3",
}

// iterPackage stands for iter in the copy.
const iterPackage = `package iter

import (
	"iter"

	"github.com/go-greenlet/greenlet"
)

type (
	Seq[V any]     = iter.Seq[V]
	Seq2[K, V any] = iter.Seq2[K, V]
)

func Pull[V any](seq Seq[V]) (func() (V, bool), func()) { return greenlet.Pull(seq) }

func Pull2[K, V any](seq Seq2[K, V]) (func() (K, V, bool), func()) { return greenlet.Pull2(seq) }
`

// The toolchain's own tests of iter.Pull, copied, pass with this package's.
func TestTheToolchainsTestsOfPull(t *testing.T) {
	goTool(t)
	goroot, err := exec.Command("go", "env", "GOROOT").Output()
	require.NoError(t, err)
	source, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(goroot)), "src", "iter", "pull_test.go"))
	if os.IsNotExist(err) {
		t.Skip("this toolchain came without its tests")
	}
	require.NoError(t, err)
	here, err := os.Getwd()
	require.NoError(t, err)
	gomod, err := os.ReadFile("go.mod")
	require.NoError(t, err)
	sum, err := os.ReadFile("go.sum")
	require.NoError(t, err)
	dir := t.TempDir()
	for name, text := range map[string]string{
		"iter.go":      iterPackage,
		"pull_test.go": strings.Replace(string(source), `. "iter"`, `. "example.com/iter"`, 1),
		"go.sum":       string(sum),
		"go.mod": strings.Replace(string(gomod), "module github.com/go-greenlet/greenlet", "module example.com/iter", 1) +
			"\nrequire github.com/go-greenlet/greenlet v0.0.0\nreplace github.com/go-greenlet/greenlet => " + here + "\n",
	} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644))
	}
	test := exec.Command("go", "test", "-mod=mod", "-count=1", "-v")
	test.Dir = dir
	out, err := test.CombinedOutput()
	require.GreaterOrEqual(t, strings.Count(string(out), "\n--- PASS: "), 8, "%v\n%s", err, out)
	require.NotContains(t, string(out), "panic:")
	cannotPass := cannotPass
	if !strings.HasPrefix(greenlet.Runtime(), "one M") { // they call stop on another goroutine than next
		cannotPass = append(cannotPass, "TestPullGoexit", "TestPullGoexit/stop", "TestPull2Goexit", "TestPull2Goexit/stop")
	}
	for _, failed := range regexp.MustCompile(`--- FAIL: (\S+)`).FindAllStringSubmatch(string(out), -1) {
		assert.Contains(t, cannotPass, failed[1], "%s", out)
	}
}
