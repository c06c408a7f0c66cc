package gort

import (
	"encoding/binary"
	"syscall"
	"unsafe"
)

// A reader reads memory at addresses that may be wrong. It goes through a pipe:
// write(2) answers EFAULT where a load would be the process's end. The calls are
// raw ones, since a goroutine in a system call looks different.
type reader struct {
	fd  [2]int
	err error // the first one
}

func newReader() (*reader, error) {
	r := &reader{}
	return r, syscall.Pipe2(r.fd[:], syscall.O_CLOEXEC)
}

func (r *reader) close() {
	// Nothing was written that anybody waits for: no error to handle.
	_ = syscall.Close(r.fd[0])
	_ = syscall.Close(r.fd[1])
}

// bytes reads n bytes, at most 8; zeros after an error.
func (r *reader) bytes(addr, n uintptr) (b [8]byte) {
	if r.err != nil {
		return b
	}
	if _, _, e := syscall.RawSyscall(syscall.SYS_WRITE, uintptr(r.fd[1]), addr, n); e != 0 {
		r.err = e
		return b
	}
	if _, _, e := syscall.RawSyscall(syscall.SYS_READ, uintptr(r.fd[0]), uintptr(unsafe.Pointer(&b)), n); e != 0 {
		r.err = e
	}
	return b
}

func (r *reader) word(addr uintptr) uintptr {
	b := r.bytes(addr, 8)
	return uintptr(binary.NativeEndian.Uint64(b[:]))
}

func (r *reader) half(addr uintptr) uint32 {
	b := r.bytes(addr, 4)
	return binary.NativeEndian.Uint32(b[:])
}
