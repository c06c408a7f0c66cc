//go:build cgo && linux

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/go-greenlet/greenlet/examples/libc"
)

// pull2 is the type of greenlet.Pull2 and of iter.Pull2.
type pull2 func(iter.Seq2[string, libc.Info]) (next func() (string, libc.Info, bool), stop func())

// walkInTurn walks over all dirs at the same time, and takes entries from them in turn.
func walkInTurn(w io.Writer, dirs []string, pull pull2) error {
	next := make([]func() (string, libc.Info, bool), len(dirs))
	for i, dir := range dirs {
		var stop func()
		next[i], stop = pull(libc.Walk(dir))
		defer stop()
		fmt.Fprintf(w, "walk %d: %s\n", i+1, dir)
	}
	for range 4 {
		fmt.Fprintln(w)
		for i, dir := range dirs {
			path, info, ok := next[i]()
			if !ok {
				continue
			}
			if info.Err != nil {
				return info.Err
			}
			name, err := filepath.Rel(dir, path)
			if err != nil {
				return err
			}
			kind := fmt.Sprint(info.Size, " bytes")
			if info.Dir {
				kind = "directory"
			}
			fmt.Fprintf(w, "walk %d: %-30s %15s\n", i+1, name, kind)
		}
	}
	_, err := fmt.Fprintln(w, "\nstopped early: each nftw returns and frees what it holds")
	return err
}

// iterPullWalk is the hidden subcommand that iterPullDies runs.
const iterPullWalk = "demo-iter-pull"

func demoIterPull(dirs []string, stdout io.Writer) error {
	return walkInTurn(stdout, dirs, iter.Pull2)
}

// iterPullDies makes the walks with iter.Pull2, which ends the process, in a child process, and
// shows its output and its exit status.
func iterPullDies(w io.Writer, dirs []string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	child := exec.CommandContext(ctx, self, append([]string{iterPullWalk}, dirs...)...)
	var stderr bytes.Buffer
	child.Stderr = &stderr
	var exit *exec.ExitError
	if err := child.Run(); err != nil && !errors.As(err, &exit) {
		return err
	}
	for line := range strings.Lines(stderr.String()) {
		fmt.Fprint(w, "| ", line)
		if strings.HasPrefix(line, "fatal error:") {
			fmt.Fprintln(w, "| ...") // instead of the stacks of all goroutines, which follow
			break
		}
	}
	_, err = fmt.Fprintln(w, "the child ends with", child.ProcessState)
	return err
}

// walkDirs returns the directories to walk over, at least two. The default is the Go installation
// and the current directory.
func walkDirs(dirs []string) ([]string, error) {
	if len(dirs) == 0 {
		goroot := "/usr" // if Go is not installed
		env := exec.Command("go", "env", "GOROOT")
		env.Dir = "/" // a go.mod in the current directory could make it download another version of Go
		if out, err := env.Output(); err == nil {
			goroot = strings.TrimSpace(string(out))
		}
		here, err := os.Getwd()
		if err != nil {
			return nil, err
		}
		dirs = []string{goroot, here}
	}
	if len(dirs) == 1 {
		dirs = append(dirs, dirs[0])
	}
	clean := make([]string, len(dirs))
	for i, dir := range dirs {
		if info, err := os.Stat(dir); err != nil {
			return nil, err
		} else if !info.IsDir() {
			return nil, &fs.PathError{Op: "walk", Path: dir, Err: errors.New("not a directory")}
		}
		clean[i] = filepath.Clean(dir)
	}
	return clean, nil
}
