//go:build !(cgo && linux)

// Command greenlet demonstrates package greenlet. Its demo and benchmarks call C code and read /proc, so it
// needs cgo and Linux; this build only says so.
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
