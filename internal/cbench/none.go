//go:build !(cgo && linux)

// Package cbench measures the C core's switch, and has nothing to measure where there is no C.
package cbench

import "errors"

// Available says whether there is.
const Available = false

// A Bench is not made.
type Bench struct{}

// New returns errors.ErrUnsupported.
func New(string, int, int, []uint16) (*Bench, error) { return nil, errors.ErrUnsupported }

// Run and Free, CallBack and Call have nothing to call.
func (*Bench) Run(int) {}
func (*Bench) Free()   {}
func CallBack(int)     {}
func Call(int)         {}
