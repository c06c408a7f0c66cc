//go:build cgo && linux

// Package libc makes Go functions of three functions of the C library that only
// know how to call back: nftw(3) as an iterator, qsort(3) and bsearch(3).
//
// It knows nothing of greenlets, and shows what they add: a loop over Walk can be
// turned inside out by greenlet.Pull2, and the functions that Sort and Search call
// may switch to another greenlet, with the C frames suspended in between.
package libc
