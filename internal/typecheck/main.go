// Typecheck checks the types of the module in the current directory for other systems, test
// files included, without cgo: "go run ./internal/typecheck linux/arm plan9/amd64". Vet says
// more, but needs the whole standard library compiled for each target first. Here it is parsed
// once, and checked without the bodies of functions. What only the compiler, the assembler or
// the linker can say is not found: that a function has no body, for instance.
package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
)

// pack is what `go list` says of a package, and the importer of its files. A package that is
// compiled anew for the test of a package p has "[p.test]" behind its path, and an ImportMap
// that leads to others of that kind.
type pack struct {
	ImportPath, Dir string
	GoFiles         []string
	ImportMap       map[string]string
	Module          struct {
		Main      bool
		GoVersion string
	}
	checked map[string]*types.Package // those of the same target
}

// Import returns nil, which is an error to the type checker, if the package has not been checked.
func (p *pack) Import(path string) (*types.Package, error) {
	return p.checked[cmp.Or(p.ImportMap[path], path)], nil
}

type checker struct {
	dir     string
	fset    *token.FileSet
	files   sync.Map // from a path to func() (*ast.File, error), which parses it only once
	mu      sync.Mutex
	targets map[string][]string // from an error to those that have it
}

func main() {
	if found := check(".", os.Args[1:]); len(found) > 0 {
		fmt.Fprintln(os.Stderr, strings.Join(found, "\n"))
		os.Exit(1)
	}
}

// check returns what is wrong with the module in dir, each error once and with its targets.
func check(dir string, targets []string) []string {
	c := &checker{dir: dir, fset: token.NewFileSet(), targets: map[string][]string{}}
	turns := make(chan struct{}, runtime.GOMAXPROCS(0)) // as many at a time, for the sake of memory
	for _, target := range targets {
		turns <- struct{}{}
		go func() {
			defer func() { <-turns }()
			if err := c.target(target); err != nil {
				c.report(target, err)
			}
		}()
	}
	for range cap(turns) { // until all have ended
		turns <- struct{}{}
	}
	var found []string
	for _, text := range slices.Sorted(maps.Keys(c.targets)) {
		slices.Sort(c.targets[text])
		found = append(found, fmt.Sprintf("%s (%s)", text, strings.Join(c.targets[text], " ")))
	}
	return found
}

// target checks the packages in the order of `go list`: each after those that it imports.
func (c *checker) target(target string) error {
	system, cpu, _ := strings.Cut(target, "/")
	sizes := types.SizesFor("gc", cpu)
	if sizes == nil {
		return errors.New("no such CPU")
	}
	list := exec.Command("go", "list", "-deps", "-test", "-json=ImportPath,Dir,GoFiles,ImportMap,Module", "./...")
	list.Dir, list.Stderr = c.dir, os.Stderr
	list.Env = append(os.Environ(), "GOOS="+system, "GOARCH="+cpu, "CGO_ENABLED=0")
	out, err := list.Output()
	if err != nil {
		return fmt.Errorf("go list: %w", err) // which has said why
	}
	failed := func(err error) { c.report(target, err) }
	checked := map[string]*types.Package{"unsafe": types.Unsafe}
	for d := json.NewDecoder(bytes.NewReader(out)); d.More(); {
		p := &pack{checked: checked}
		if err := d.Decode(p); err != nil {
			return err
		}
		conf := types.Config{Importer: p, Sizes: sizes, IgnoreFuncBodies: !p.Module.Main, Error: failed}
		if p.Module.GoVersion != "" {
			conf.GoVersion = "go" + p.Module.GoVersion
		}
		var files []*ast.File
		for _, name := range p.GoFiles {
			if !filepath.IsAbs(name) { // as the main function of a test is
				name = filepath.Join(p.Dir, name)
			}
			file, err := c.parse(name, p.Module.Main)
			if err != nil {
				return err
			}
			files = append(files, file)
		}
		if path, _, _ := strings.Cut(p.ImportPath, " "); path != "unsafe" {
			checked[p.ImportPath], _ = conf.Check(path, c.fset, files, nil) // which has reported it
		}
	}
	return nil
}

// parse parses a file; it forgets the bodies of its functions unless they are asked for.
func (c *checker) parse(name string, bodies bool) (*ast.File, error) {
	once, _ := c.files.LoadOrStore(name, sync.OnceValues(func() (*ast.File, error) {
		file, err := parser.ParseFile(c.fset, name, nil, parser.SkipObjectResolution)
		for i := 0; err == nil && !bodies && i < len(file.Decls); i++ {
			if f, ok := file.Decls[i].(*ast.FuncDecl); ok && f.Body != nil {
				f.Body = new(ast.BlockStmt)
			}
		}
		return file, err
	}))
	return once.(func() (*ast.File, error))()
}

func (c *checker) report(target string, err error) {
	text := err.Error()
	c.mu.Lock()
	defer c.mu.Unlock()
	if !slices.Contains(c.targets[text], target) { // a package and its test's share files
		c.targets[text] = append(c.targets[text], target)
	}
}
