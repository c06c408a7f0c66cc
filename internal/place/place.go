// Package place names places in the program that uses this module.
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

// Caller names the place that has called this module.
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

// PC is where the code of f begins, which is a function; 0 if f is nil.
func PC[F any](f F) uintptr {
	closure := *(**uintptr)(unsafe.Pointer(&f))
	if closure == nil {
		return 0
	}
	return *closure
}

// Body names the function whose code begins at pc, and where that is. Only this takes
// time, and PC takes none, so it can be asked for whatever is made.
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

// Printable is a text for a line on a terminal: what that would act upon is escaped.
func Printable(s string) string {
	if utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return !strconv.IsPrint(r) }) {
		return s
	}
	q := strconv.Quote(s)
	return q[1 : len(q)-1]
}

// root is the directory of this module, as the compiler calls it.
var root = func() string {
	_, file, _, _ := runtime.Caller(0)
	return path.Dir(path.Dir(path.Dir(file)))
}()

// Of names the place in a stack that called this module, which called the runtime. It
// goes by the files: the body of a loop is a function of the package that the loop was
// inlined into.
func Of(stack []runtime.Frame) string {
	if f, ok := User(stack); ok {
		return fmt.Sprintf("%s:%d", f.File, f.Line)
	}
	return "an unknown place"
}

// User is the frame that Of names, if there is one.
func User(stack []runtime.Frame) (f runtime.Frame, ok bool) {
	// What is above this module is what it has called, such as a lock's wait.
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

// between says whether a file is between the user's program and an operation.
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
