//go:build cgo && linux

package libc

// #include "libc.h"
import "C"

import (
	"io/fs"
	"iter"
	"syscall"
	"unsafe"

	"github.com/go-greenlet/greenlet/callback"
)

// Info is what nftw tells about an entry.
type Info struct {
	Dir   bool
	Size  int64 // in bytes
	Level int   // 0 for the directory that Walk was given
	Err   error // why the entry, or what is in it, could not be read
}

type visitor = func(path string, i Info) bool

// Walk returns an iterator over the directory and all that is below it, in the
// order in which nftw(3) finds it: each directory before what it contains.
// Symbolic links are not followed. The loop runs inside nftw's callback; when it
// ends early, nftw is told to stop and frees what it holds. (musl 1.2.3 forgets one
// file descriptor when the loop ends at a directory.)
//
// nftw recurses in C: on a greenlet's default stack it gets 500 levels deep.
//
// If nftw gives up, the last entry is dir with the error.
func Walk(dir string) iter.Seq2[string, Info] {
	return func(yield func(string, Info) bool) {
		cdir, err := syscall.BytePtrFromString(dir)
		code := C.int(-1)
		if err == nil {
			callback.During(visitor(yield), func(h uintptr) {
				code, err = C.libc_walk((*C.char)(unsafe.Pointer(cdir)), C.uintptr_t(h))
			})
		}
		if code == -1 { // 0: that was all; 1: the loop has ended
			yield(dir, Info{Err: &fs.PathError{Op: "nftw", Path: dir, Err: err}})
		}
	}
}

//export libcVisit
func libcVisit(h C.uintptr_t, path *C.char, dir C.int, size C.longlong, level, errno C.int) C.int {
	p := C.GoString(path)
	i := Info{Dir: dir != 0, Size: int64(size), Level: int(level)}
	if errno != 0 {
		i.Err = &fs.PathError{Op: "nftw", Path: p, Err: syscall.Errno(errno)}
	}
	stop := C.int(1)
	callback.Do(uintptr(h), func(yield visitor) {
		if yield(p, i) {
			stop = 0
		}
	})
	return stop
}
