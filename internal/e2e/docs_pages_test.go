//go:build !race

package e2e_test

import (
	"fmt"
	"go/build"
	"go/format"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// All Go code of the pages is compiled, as one program, and what an output follows is run. A
// block of declarations is compiled as it is, any other one as the body of a function. What is
// in sections that are programs is for TestTheProgramsOfTheDocs.
func TestThePagesOfTheDocs(t *testing.T) {
	goTool(t)
	if !build.Default.CgoEnabled {
		t.Skip("some code calls C")
	}
	pages, err := filepath.Glob("docs/*.md")
	require.NoError(t, err)
	var all strings.Builder
	for _, page := range append(pages, "README.md", "CHANGELOG.md", "CONTRIBUTING.md") {
		data, err := os.ReadFile(page)
		require.NoError(t, err)
		text := string(data)
		for _, p := range programs {
			if p.page == page {
				_, text = section(t, text, p.section)
			}
		}
		all.WriteString(text + "\n")
	}
	runPage(t, all.String())
}

// The code in the documentation of the packages, too. What it leaves unused is no mistake there.
func TestTheCodeOfTheDocumentation(t *testing.T) {
	goTool(t)
	var page strings.Builder
	for _, file := range []string{"doc.go", "tasklet/doc.go"} {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		for _, code := range regexp.MustCompile(`(?m)(^\t.*\n|^\n(^\t.*\n))+`).FindAllString(string(text), -1) {
			code = strings.TrimPrefix(code, "\n")
			for _, v := range regexp.MustCompile(`(?m)^\t((\w+, )*\w+) := `).FindAllStringSubmatch(code, -1) {
				for name := range strings.SplitSeq(v[1], ", ") {
					code += "\t_ = " + name + "\n"
				}
			}
			page.WriteString("```go\n" + code + "```\n\n")
		}
	}
	runPage(t, page.String())
}

// imports are the packages that pages may use, by the names that they have there.
var imports = map[string]string{"greenlet": "github.com/go-greenlet/greenlet", "tasklet": "github.com/go-greenlet/greenlet/tasklet",
	"inspect": "github.com/go-greenlet/greenlet/inspect", "libc": "github.com/go-greenlet/greenlet/examples/libc",
	"http": "net/http", "slog": "log/slog", "maps": "maps", "iter": "iter"}

var standard = []string{"bufio", "context", "errors", "fmt", "io", "log", "maps", "os", "runtime", "slices", "sort", "strings", "sync", "testing", "time"}

// showing runs a block on a goroutine of its own, so that one is no root because of another.
const showing = `
func show(block func()) {
	fmt.Println("---")
	done := make(chan bool)
	go func() {
		defer close(done)
		block()
	}()
	<-done
}
`

func runPage(t *testing.T, page string) {
	blocks := regexp.MustCompile("(?s)```go\n(.*?)```\n(\n```text\n(.*?)```)?").FindAllStringSubmatch(page, -1)
	require.NotEmpty(t, blocks)
	var unnamed, declarations, calls strings.Builder
	var want string
	for i, b := range blocks {
		code, shown, output := b[1], b[2] != "", b[3]
		formatted, err := format.Source([]byte(code))
		require.NoError(t, err, "%s", code)
		assert.Equal(t, string(formatted), code, "gofmt")
		if strings.HasPrefix(code, "import _ ") {
			unnamed.WriteString(code)
			continue
		}
		if regexp.MustCompile(`^(//.*\n)*(func \w|func \(|type|var) ?`).MatchString(code) {
			require.False(t, shown, "a declaration has no output:\n%s", code)
			declarations.WriteString(code + "\n")
			continue
		}
		fmt.Fprintf(&declarations, "func block%d() {\n%s}\n\n", i, code)
		if shown {
			fmt.Fprintf(&calls, "\tshow(block%d)\n", i)
			want += "---\n" + output
		}
	}
	program := "package main\n\nimport (\n\t\"fmt\"\n"
	for _, name := range standard {
		imports[name] = name
	}
	var used []string
	for name, path := range imports {
		if name != "fmt" && regexp.MustCompile(`\b`+name+`\.[A-Z]`).MatchString(declarations.String()) {
			used = append(used, fmt.Sprintf("\t%q\n", path))
		}
	}
	slices.Sort(used)
	program += strings.Join(used, "") + ")\n\n" + unnamed.String() + "\n" + declarations.String() + "func main() {\n" + calls.String() + "}\n" + showing

	// Where the code of the module is found, the program need not be.
	file := filepath.Join(t.TempDir(), "main.go")
	require.NoError(t, os.WriteFile(file, []byte(program), 0o644))
	vet := exec.Command("go", "vet", file)
	out, err := vet.CombinedOutput()
	require.NoError(t, err, "%s\n%s", out, program)
	run := exec.Command("go", "run", file)
	out, err = run.CombinedOutput()
	require.NoError(t, err, "%s", out)
	assert.Equal(t, want, string(out))
}
