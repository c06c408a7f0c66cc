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

	"github.com/go-greenlet/greenlet/internal/cgotest"
)

// programs are the sections of pages whose files make a program each; needs is a header
// that is not the C library's.
var programs = []struct{ page, section, needs string }{
	{"docs/c-interop.md", "Calling a library that calls back", ""},
	{"docs/c-interop.md", "Writing a body in C", ""},
	{"docs/c-interop.md", "Adopting a foreign coroutine library", ""},
	{"docs/c-interop.md", "Go inside a C program", ""},
	{"docs/first-programs.md", "A C parser as an iterator", "expat.h"},
}

// The command of the section builds and runs its program, which prints what is said.
func TestTheProgramsOfTheDocs(t *testing.T) {
	goTool(t)
	for _, p := range programs {
		t.Run(p.section, func(t *testing.T) {
			if p.needs != "" {
				include := exec.Command("sh", "-c", `echo "#include <$1>" | $(go env CC) -E -x c -o /dev/null -`, "sh", p.needs)
				if include.Run() != nil {
					t.Skip("no header " + p.needs)
				}
			}
			runSection(t, p.page, p.section)
		})
	}
}

// The first example of the package documentation is one that is compiled and run.
func TestTheFirstExample(t *testing.T) {
	doc, err := os.ReadFile("doc.go")
	require.NoError(t, err)
	compiled, err := os.ReadFile("example_test.go")
	require.NoError(t, err)
	example := regexp.MustCompile(`(?s)\terr := greenlet\.Run.*?\n\t}\)\n`).FindString(string(doc))
	require.NotEmpty(t, example)
	assert.Contains(t, string(compiled), example)
}

// section returns what stands under a title of a page, and the page without that.
func section(t *testing.T, page, title string) (text, rest string) {
	t.Helper()
	before, text, ok := strings.Cut(page, "\n## "+title+"\n")
	require.True(t, ok, title)
	text, after, more := strings.Cut(text, "\n## ")
	if more {
		after = "\n## " + after
	}
	return text, before + after
}

func runSection(t *testing.T, page, title string) {
	t.Helper()
	if !cgotest.Glibc {
		t.Skip("musl has no ucontext")
	}
	text, err := os.ReadFile(page)
	require.NoError(t, err)
	section, _ := section(t, string(text), title)

	dir := t.TempDir()
	write := func(name, text string) {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644))
	}
	files := regexp.MustCompile("(?s)\n`([a-z.]+)`:\n\n```[a-z]+\n(.*?)```").FindAllStringSubmatch(section, -1)
	require.Greater(t, len(files), 1)
	for _, f := range files {
		write(f[1], f[2])
	}
	block := func(kind string) string {
		m := regexp.MustCompile("(?s)\n```" + kind + "\n(.*?)```").FindStringSubmatch(section)
		require.NotNil(t, m, kind)
		return m[1]
	}

	here, err := os.Getwd()
	require.NoError(t, err)
	gomod, err := os.ReadFile("go.mod")
	require.NoError(t, err)
	sum, err := os.ReadFile("go.sum")
	require.NoError(t, err)
	write("go.mod", strings.Replace(string(gomod), "module github.com/go-greenlet/greenlet", "module example.com/jobs", 1)+
		"\nrequire github.com/go-greenlet/greenlet v0.0.0\nreplace github.com/go-greenlet/greenlet => "+here+"\n")
	write("go.sum", string(sum))
	tidy := exec.Command("go", "mod", "tidy")
	tidy.Dir = dir
	out, err := tidy.CombinedOutput()
	require.NoError(t, err, "%s", out)

	sh := exec.Command("sh", "-e", "-c", block("sh"))
	sh.Dir = dir
	out, err = sh.CombinedOutput()
	require.NoError(t, err, "%s", out)
	assert.Equal(t, block("text"), string(out))
}
