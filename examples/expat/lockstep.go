//go:build greenlet_foreign && cgo && linux

package expat

import (
	"encoding/xml"
	"fmt"
	"io"
	"iter"

	"github.com/go-greenlet/greenlet"
)

// Lockstep walks two documents at once: it yields the first token of both, then the
// second, and so on, and nil in place of the tokens of the one that ends first. Two
// parsers are suspended in the middle of their callbacks meanwhile.
func Lockstep(a, b io.Reader) iter.Seq2[[2]xml.Token, error] {
	return func(yield func([2]xml.Token, error) bool) {
		nextA, stopA := greenlet.Pull2(Parse(a))
		defer stopA()
		nextB, stopB := greenlet.Pull2(Parse(b))
		defer stopB()
		for {
			tokenA, err, okA := nextA()
			if err != nil {
				yield([2]xml.Token{}, fmt.Errorf("first document: %w", err))
				return
			}
			tokenB, err, okB := nextB()
			if err != nil {
				yield([2]xml.Token{}, fmt.Errorf("second document: %w", err))
				return
			}
			if !okA && !okB || !yield([2]xml.Token{tokenA, tokenB}, nil) {
				return
			}
		}
	}
}
