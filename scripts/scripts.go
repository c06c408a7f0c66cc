// Package scripts has the scripts for debuggers.
package scripts

import (
	_ "embed"
	"os"
	"path/filepath"
	"runtime"
)

//go:embed greenlet-gdb.py
var gdb []byte

//go:embed greenlet.star
var delve []byte

// GDB returns the path of the script for gdb: in the source of this module, which may be in
// the module cache, if that is where it was when the program was built, or else a copy in the
// user's directory for caches.
func GDB() (string, error) { return pathOf("greenlet-gdb.py", gdb) }

// Delve returns the path of the script for delve, likewise.
func Delve() (string, error) { return pathOf("greenlet.star", delve) }

func pathOf(name string, text []byte) (string, error) {
	if _, file, _, ok := runtime.Caller(0); ok {
		source := filepath.Join(filepath.Dir(file), name)
		if there, err := os.ReadFile(source); err == nil && string(there) == string(text) {
			return source, nil
		}
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(cache, "greenlet")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	file := filepath.Join(dir, name)
	return file, os.WriteFile(file, text, 0o644)
}
