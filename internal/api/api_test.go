// Package api holds what the packages for users promise: their exported names, in files that
// are compared with the code, and an example for each of them.
package api

import (
	"bytes"
	"flag"
	"fmt"
	"go/ast"
	"go/build"
	"go/doc"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const module = "github.com/go-greenlet/greenlet"

// packages are those for users, by the names of their files here. Those with a directory have
// an example for each exported name.
var packages = []struct{ name, path, dir string }{
	{"greenlet", module, "../.."},
	{"tasklet", module + "/tasklet", "../../tasklet"},
	{"inspect", module + "/inspect", ""},
	{"callback", module + "/callback", ""},
}

var update = flag.Bool("update", false, "write the files that say what is exported")

// A loader imports packages as the compiler has written them.
type loader struct {
	files *token.FileSet
	types.Importer
}

// load has the go command compile the packages, with those that they and the others import.
func load(t *testing.T, others ...string) *loader {
	t.Helper()
	if testing.Short() {
		t.Skip("compiles packages")
	}
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("no go command here")
	}
	if !build.Default.CgoEnabled {
		t.Skip("some examples are in C")
	}
	args := []string{"list", "-export", "-deps", "-f", "{{.ImportPath}}\t{{.Export}}"}
	for _, p := range packages {
		args = append(args, p.path)
	}
	var stderr bytes.Buffer
	list := exec.Command("go", append(args, others...)...)
	list.Stderr = &stderr
	out, err := list.Output()
	require.NoError(t, err, "%s", &stderr)
	compiled := map[string]string{}
	for line := range strings.Lines(string(out)) {
		path, file, _ := strings.Cut(strings.TrimSpace(line), "\t")
		compiled[path] = file
	}
	files := token.NewFileSet()
	return &loader{files, importer.ForCompiler(files, "gc", func(path string) (io.ReadCloser, error) {
		return os.Open(compiled[path])
	})}
}

// What is exported is what the file says. Once there are releases, a line that goes away or
// changes needs a new major version, and one that is added a new minor one: see CHANGELOG.md.
func TestExported(t *testing.T) {
	l := load(t)
	for _, p := range packages {
		t.Run(p.name, func(t *testing.T) {
			pkg, err := l.Import(p.path)
			require.NoError(t, err)
			now := exported(pkg)
			file := p.name + ".txt"
			if *update {
				require.NoError(t, os.WriteFile(file, []byte(strings.Join(now, "\n")+"\n"), 0o644))
			}
			text, err := os.ReadFile(file)
			require.NoError(t, err)
			before := strings.Split(strings.TrimSpace(string(text)), "\n")
			const how = "internal/api/%s says otherwise. If that is meant: go test ./internal/api -update, and an entry in CHANGELOG.md"
			assert.Empty(t, without(before, now), "incompatible: these are gone or have changed, "+how, file)
			assert.Empty(t, without(now, before), "these are new, "+how, file)
		})
	}
}

func without(all, some []string) (rest []string) {
	for _, line := range all {
		if !slices.Contains(some, line) {
			rest = append(rest, line)
		}
	}
	return rest
}

// exported is one line for each exported name, in order.
func exported(pkg *types.Package) (lines []string) {
	within := types.RelativeTo(pkg)
	add := func(format string, args ...any) { lines = append(lines, fmt.Sprintf(format, args...)) }
	for _, name := range pkg.Scope().Names() {
		o := pkg.Scope().Lookup(name)
		if !o.Exported() {
			continue
		}
		switch o := o.(type) {
		case *types.Const:
			add("%s = %s", types.ObjectString(o, within), o.Val())
		case *types.TypeName:
			named, ok := o.Type().(*types.Named)
			if s, isStruct := o.Type().Underlying().(*types.Struct); ok && isStruct {
				text, _, _ := strings.Cut(types.ObjectString(o, within), " struct{")
				add("%s struct", text)
				for i := range s.NumFields() {
					if f := s.Field(i); f.Exported() {
						add("field %s.%s %s", name, f.Name(), types.TypeString(f.Type(), within))
					}
				}
			} else {
				add("%s", types.ObjectString(o, within))
			}
			if !ok {
				continue
			}
			var methods []string
			for i := range named.NumMethods() {
				if m := named.Method(i); m.Exported() {
					methods = append(methods, types.ObjectString(m, within))
				}
			}
			slices.Sort(methods)
			lines = append(lines, methods...)
		default:
			add("%s", types.ObjectString(o, within))
		}
	}
	return lines
}

// implied are the methods that others call: fmt, and package errors.
var implied = []string{"String", "Error", "Unwrap"}

// Every exported name is in an example with output, so that there is something to copy that
// is known to run. A type is in it, too, if a value of it is.
func TestEveryNameIsInAnExample(t *testing.T) {
	for _, p := range packages {
		if p.dir == "" {
			continue
		}
		t.Run(p.name, func(t *testing.T) {
			files := token.NewFileSet()
			var parsed []*ast.File
			names, err := filepath.Glob(filepath.Join(p.dir, "*_test.go"))
			require.NoError(t, err)
			imported := map[string]bool{}
			for _, name := range names {
				f, err := parser.ParseFile(files, name, nil, parser.ParseComments)
				require.NoError(t, err)
				if len(examples(f)) == 0 {
					continue
				}
				parsed = append(parsed, f)
				for _, i := range f.Imports {
					imported[strings.Trim(i.Path.Value, `"`)] = true
				}
			}
			var others []string
			for path := range imported {
				others = append(others, path)
			}
			l := load(t, others...)
			info := &types.Info{Uses: map[*ast.Ident]types.Object{}, Types: map[ast.Expr]types.TypeAndValue{}}
			config := types.Config{Importer: l, Error: func(error) {}} // of what is in other files
			_, _ = config.Check(p.path+"_test", files, parsed, info)
			pkg, err := l.Import(p.path)
			require.NoError(t, err)

			used := map[types.Object]bool{}
			for _, f := range parsed {
				for _, body := range examples(f) {
					ast.Inspect(body, func(n ast.Node) bool {
						if id, ok := n.(*ast.Ident); ok {
							used[origin(info.Uses[id])] = true
						}
						if e, ok := n.(ast.Expr); ok {
							for _, named := range namedIn(info.Types[e].Type) {
								used[named] = true
							}
						}
						return true
					})
				}
			}
			var missing []string
			for name, o := range objects(pkg) {
				if !used[o] && !slices.Contains(implied, o.Name()) {
					missing = append(missing, name)
				}
			}
			slices.Sort(missing)
			assert.Empty(t, missing, "these are in no example with output")
		})
	}
}

// examples are the bodies of those in f that have an output.
func examples(f *ast.File) (bodies []ast.Node) {
	for _, e := range doc.Examples(f) {
		if e.Output == "" && !e.EmptyOutput {
			continue
		}
		for _, d := range f.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Name.Name == "Example"+e.Name {
				bodies = append(bodies, fn.Body)
			}
		}
	}
	return bodies
}

func origin(o types.Object) types.Object {
	switch o := o.(type) {
	case *types.Func:
		return o.Origin()
	case *types.Var:
		return o.Origin()
	}
	return o
}

// namedIn are the named types that t says.
func namedIn(t types.Type) (names []types.Object) {
	switch t := t.(type) {
	case *types.Named:
		names = append(names, t.Origin().Obj())
	case *types.Pointer:
		return namedIn(t.Elem())
	case *types.Slice:
		return namedIn(t.Elem())
	case *types.Tuple:
		for v := range t.Variables() {
			names = append(names, namedIn(v.Type())...)
		}
	}
	return names
}

// objects are the exported ones of the package: names, methods and fields.
func objects(pkg *types.Package) map[string]types.Object {
	all := map[string]types.Object{}
	for _, name := range pkg.Scope().Names() {
		o := pkg.Scope().Lookup(name)
		if !o.Exported() {
			continue
		}
		all[name] = o
		if _, ok := o.(*types.TypeName); !ok {
			continue
		}
		if s, ok := o.Type().Underlying().(*types.Struct); ok {
			for i := range s.NumFields() {
				if f := s.Field(i); f.Exported() && !f.Embedded() {
					all[name+"."+f.Name()] = f
				}
			}
		}
		if named, ok := o.Type().(*types.Named); ok {
			for i := range named.NumMethods() {
				if m := named.Method(i); m.Exported() {
					all[name+"."+m.Name()] = m
				}
			}
		}
	}
	return all
}
