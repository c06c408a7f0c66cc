//go:build !(cgo && linux)

// Command greenlet shows what package greenlet does, C code above all: it needs cgo, and
// Linux.
package main

import (
	"fmt"
	"os"

	"github.com/go-greenlet/greenlet"
)

func main() {
	fmt.Fprintln(os.Stderr, "greenlet: the demo and the benchmarks need Linux and a build with cgo; greenlets here:", greenlet.Runtime())
	os.Exit(1)
}
