// Package place finds the user's frame in a stack, for errors, Info and recordings: the innermost
// one that belongs neither to this module nor to what this module has called.
package place

import (
	"fmt"
	"path"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
	"unsafe"
)

// Caller returns FILE:LINE of the user's call of this module.
func Caller() string {
	pcs := make([]uintptr, 32)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(1, pcs)])
	var stack []runtime.Frame
	for more := true; more; {
		var f runtime.Frame
		f, more = frames.Next()
		stack = append(stack, f)
	}
	return Of(stack)
}

// PC returns the address of the code of f, which must be of a function type; 0 if f is nil. It
// reads the first word of the closure, so it takes no time that matters and does not allocate.
func PC[F any](f F) uintptr {
	closure := *(**uintptr)(unsafe.Pointer(&f))
	if closure == nil {
		return 0
	}
	return *closure
}

// Body returns the name and the place of the function whose code begins at pc; "" for 0. The
// look-up takes time, so a greenlet keeps only the result of PC, and Body is called when a text is
// needed.
func Body(pc uintptr) string {
	if pc == 0 {
		return ""
	}
	f := runtime.FuncForPC(pc)
	if f == nil {
		return fmt.Sprintf("C code at %#x", pc)
	}
	file, line := f.FileLine(pc)
	return fmt.Sprintf("%s at %s:%d", f.Name(), file, line)
}

// Printable returns s for one line on a terminal. If s is not valid UTF-8, or has a rune that is
// not printable (a control character, a line break, a change of direction), it is escaped as in a
// string literal of Go.
func Printable(s string) string {
	if utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return !strconv.IsPrint(r) }) {
		return s
	}
	q := strconv.Quote(s)
	return q[1 : len(q)-1]
}

// root is the directory of this module, in the form in which the compiler records it.
var root = func() string {
	_, file, _, _ := runtime.Caller(0)
	return path.Dir(path.Dir(path.Dir(file)))
}()

// Of returns FILE:LINE of the user's frame in a stack, or "an unknown place". Frames are told apart
// by their files and not by their functions' names, because the body of a range-over-func loop is
// a function of the package that it was inlined into.
func Of(stack []runtime.Frame) string {
	if f, ok := User(stack); ok {
		return fmt.Sprintf("%s:%d", f.File, f.Line)
	}
	return "an unknown place"
}

// User returns the frame that Of names; ok is false if there is none.
func User(stack []runtime.Frame) (f runtime.Frame, ok bool) {
	// Frames above the first one of this module belong to functions that it has called, such as
	// the wait of a lock.
	for i, f := range stack {
		if f.File != "" && between(f.File) {
			stack = stack[i:]
			break
		}
	}
	for _, f := range stack {
		if !strings.HasPrefix(f.Function, "runtime.") && !strings.HasPrefix(f.Function, "_cgo") && !between(f.File) {
			return f, true
		}
	}
	return runtime.Frame{}, false
}

// between says whether a frame in file is one of those between the user's call and the runtime:
// of this module, or of an iterator function of the standard library.
func between(file string) bool {
	dir, name := path.Split(file)
	dir = path.Clean(dir)
	switch {
	case file == "":
		return true
	case dir == root || dir == root+"/tasklet" || strings.HasPrefix(dir, root+"/internal/"):
		return !strings.HasSuffix(name, "_test.go")
	}
	return name == "iter.go" && slices.Contains([]string{"iter", "maps", "slices"}, path.Base(dir))
}
