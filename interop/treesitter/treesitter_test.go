// Package treesitter tests github.com/tree-sitter/go-tree-sitter: a parser for each greenlet.
package treesitter

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	sitter "github.com/tree-sitter/go-tree-sitter"
	python "github.com/tree-sitter/tree-sitter-python/bindings/go"

	"github.com/go-greenlet/greenlet/interop/harness"
)

func TestTreeSitter(t *testing.T) {
	harness.Run(t, 20, func(seed int, ask func(int) (int, error)) (string, error) {
		p := sitter.NewParser()
		defer p.Close()
		if err := p.SetLanguage(sitter.NewLanguage(python.Language())); err != nil {
			return "", err
		}
		var failed error
		text := ""
		lines := 0
		// The text comes line by line as it is asked for.
		tree := p.ParseWithOptions(func(offset int, _ sitter.Point) []byte {
			for offset >= len(text) && lines < 5 && failed == nil {
				var n int
				n, failed = ask(lines)
				if n%2 == 0 {
					text += fmt.Sprintf("def f%d(a):\n  return [a, %d]\n", lines, n)
				} else {
					text += strings.Repeat("(", n%5) + fmt.Sprint(n) + strings.Repeat(")", n%5) + "\n"
				}
				lines++
			}
			if failed != nil || offset >= len(text) {
				return nil
			}
			return []byte(text[offset:])
		}, nil, &sitter.ParseOptions{ProgressCallback: func(sitter.ParseState) bool { return failed != nil }})
		if tree == nil {
			return "", errors.Join(errors.New("no tree"), failed)
		}
		defer tree.Close()
		return tree.RootNode().ToSexp(), failed
	})
}
