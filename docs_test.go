package greenlet_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The files of each section of docs/c-interop.md make a program; the command there builds
// and runs it, and it prints what is said.
func TestTheAdoptionOfTheDocs(t *testing.T) { runSection(t, "Adopting a foreign coroutine library") }

func TestTheCallbackLibraryOfTheDocs(t *testing.T) {
	runSection(t, "Calling a library that calls back")
}

func TestTheBodyInCOfTheDocs(t *testing.T) { runSection(t, "Writing a body in C") }

func TestTheCHostOfTheDocs(t *testing.T) { runSection(t, "Go inside a C program") }

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

func runSection(t *testing.T, title string) {
	t.Helper()
	goTool(t)
	if strings.Contains(os.Getenv("CC"), "musl") {
		t.Skip("musl has no ucontext")
	}
	text, err := os.ReadFile("docs/c-interop.md")
	require.NoError(t, err)
	_, section, ok := strings.Cut(string(text), "\n## "+title+"\n")
	require.True(t, ok)
	section, _, _ = strings.Cut(section, "\n## ")

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
