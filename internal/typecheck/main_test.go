package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestErrorsAreFoundWithTheirTargets(t *testing.T) {
	if testing.Short() {
		t.Skip("it parses much of the standard library")
	}
	dir := t.TempDir()
	write := func(name, text string) {
		file := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
		require.NoError(t, os.WriteFile(file, []byte(text), 0o644))
	}
	// The texts of errors are those of the Go version: what is compared is "file:line:column (targets)".
	text := regexp.MustCompile(`(?m): .* (\([^()]*\))$`)
	find := func(targets ...string) string {
		found := text.ReplaceAllString(strings.Join(check(dir, targets), "\n"), " $1")
		return strings.ReplaceAll(found, dir+string(filepath.Separator), "")
	}
	write("go.mod", "module example.org/m\n\ngo 1.24\n")
	write("m.go", "package m\n\nfunc F() int { return g() }\n")
	write("g_linux.go", "package m\n\nfunc g() int { return 1 }\n")
	write("g_windows.go", "package m\n\nimport \"unsafe\"\n\nfunc g() int { return int(unsafe.Sizeof(uintptr(0))) }\n")
	// For the test, the package sub is compiled with the package m that has G.
	write("sub/sub.go", "package sub\n\nimport \"example.org/m\"\n\nfunc H() int { return m.F() }\n")
	write("export_test.go", "package m\n\nfunc G() int { return g() }\n")
	write("m_test.go", "package m_test\n\nimport (\n\t\"example.org/m\"\n\t\"example.org/m/sub\"\n\t\"testing\"\n)\n\n"+
		"func Test(t *testing.T) { t.Log(m.F(), m.G(), sub.H()) }\n")
	require.Empty(t, find("linux/amd64", "windows/386"))

	// A function that one system has not got, and a constant that does not fit on one CPU.
	require.Equal(t, "export_test.go:3:23 (plan9/arm)\nm.go:3:23 (plan9/arm)", find("linux/amd64", "plan9/arm"))
	write("sub/wide.go", "package sub\n\nconst Wide int = 1 << 40\n")
	require.Equal(t, "sub/wide.go:3:18 (windows/386)", find("linux/amd64", "windows/386"))
	require.NoError(t, os.Remove(filepath.Join(dir, "sub/wide.go")))

	// In a body, in a file of the package's test, and in one of a package of its own.
	write("body.go", "package m\n\nfunc b() { var s string = 1; _ = s }\n")
	write("body_test.go", "package m\n\nfunc c() { unused := 1 }\n")
	write("x_test.go", "package m_test\n\nimport \"example.org/m\"\n\nvar _ string = m.G()\n")
	require.Equal(t, "body.go:3:27 (linux/amd64 windows/386)\nbody_test.go:3:12 (linux/amd64 windows/386)\n"+
		"x_test.go:5:16 (linux/amd64 windows/386)", find("windows/386", "linux/amd64"))

	// What keeps it from looking is an error as well.
	write("body.go", "package m\n\nfunc b( { }\n")
	require.Contains(t, find("linux/amd64"), "body.go:3:9 ")
	require.Equal(t, []string{"no such CPU (linux/none)"}, check(dir, []string{"linux/none"}))
	write("m.go", "package m\n\nimport _ \"example.org/m/none\"\n")
	require.Equal(t, []string{"go list: exit status 1 (linux/amd64)"}, check(dir, []string{"linux/amd64"}))
}
