// Package chost tests package greenlet inside a C program: lib, a Go library built as
// c-archive and as c-shared, is linked with testdata/host.c, which has threads of its
// own, and with testdata/suite.c, which runs the suites of internal/capitest.
package chost
