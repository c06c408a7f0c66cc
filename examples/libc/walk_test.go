//go:build cgo && linux

package libc_test

import (
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-greenlet/greenlet"
	"github.com/go-greenlet/greenlet/examples/libc"
	"github.com/go-greenlet/greenlet/internal/handle"
)

// found is what a walk told: sizes of files by path, -1 for directories.
type found map[string]int64

func (f found) add(t testing.TB, path string, i libc.Info) {
	assert.NoError(t, i.Err)
	assert.NotContains(t, f, path, "told twice")
	if f[path] = i.Size; i.Dir {
		f[path] = -1
	}
}

// expected is what Go's own walk tells.
func expected(t testing.TB, dir string) found {
	f := found{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		i, err := d.Info()
		if f[path] = -1; err == nil && !d.IsDir() {
			f[path] = i.Size()
		}
		return err
	})
	require.NoError(t, err)
	return f
}

// tree makes a directory with others in it, files, and symbolic links.
func tree(t testing.TB, wide, deep int) (dir string) {
	dir = t.TempDir()
	var fill func(dir string, deep int)
	fill = func(dir string, deep int) {
		for i := range wide {
			data := strings.Repeat("x", 10*deep+i)
			require.NoError(t, os.WriteFile(filepath.Join(dir, fmt.Sprint("file", i)), []byte(data), 0o600))
		}
		require.NoError(t, os.Symlink("..", filepath.Join(dir, "up")))
		for i := range wide * min(deep, 1) {
			sub := filepath.Join(dir, fmt.Sprint("dir", i))
			require.NoError(t, os.Mkdir(sub, 0o700))
			fill(sub, deep-1)
		}
	}
	fill(dir, deep)
	return dir
}

// openDirectories counts the file descriptors that are directories below dir.
func openDirectories(t testing.TB, dir string) (n int) {
	fds, err := os.ReadDir("/proc/self/fd")
	require.NoError(t, err)
	for _, fd := range fds {
		name, err := os.Readlink("/proc/self/fd/" + fd.Name())
		if err == nil && strings.HasPrefix(name, dir) {
			n++
		}
	}
	return n
}

func TestWalkFindsWhatGoFinds(t *testing.T) {
	dir := tree(t, 4, 3)
	got := found{}
	for path, i := range libc.Walk(dir) {
		got.add(t, path, i)
		assert.Equal(t, strings.Count(path, "/")-strings.Count(dir, "/"), i.Level)
	}
	assert.Equal(t, expected(t, dir), got)
}

func TestWalkLeavesNoRoot(t *testing.T) {
	for range libc.Walk(t.TempDir()) {
		assert.Nil(t, greenlet.New(nil).Parent(), "a plain goroutine has become a root")
	}
}

func TestWalksInTurn(t *testing.T) {
	small, large := tree(t, 3, 2), tree(t, 5, 2)
	dirs := []string{small, large, small}
	require.NoError(t, greenlet.Run(func(*greenlet.Greenlet) error {
		got := make([]found, len(dirs))
		next := make([]func() (string, libc.Info, bool), len(dirs))
		for i, dir := range dirs {
			got[i] = found{}
			next[i], _ = greenlet.Pull2(libc.Walk(dir))
		}
		for n, running := 0, len(dirs); running > 0; n++ {
			i := rand.IntN(len(dirs))
			if next[i] == nil {
				continue
			}
			path, info, ok := next[i]()
			if ok {
				got[i].add(t, path, info)
			} else {
				next[i] = nil
				running--
			}
			if n%50 == 0 {
				runtime.GC()
			}
		}
		for i, dir := range dirs {
			assert.Equal(t, expected(t, dir), got[i])
		}
		return nil
	}))
}

func TestWalkInsideWalk(t *testing.T) {
	dir := tree(t, 3, 1)
	want := expected(t, dir)
	outer := found{}
	for path, i := range libc.Walk(dir) {
		outer.add(t, path, i)
		inner := found{}
		for path, i := range libc.Walk(dir) {
			inner.add(t, path, i)
		}
		require.Equal(t, want, inner)
	}
	assert.Equal(t, want, outer)
}

func TestWalkOnManyThreads(t *testing.T) {
	dir := tree(t, 4, 2)
	want := expected(t, dir)
	var all sync.WaitGroup
	for range 8 {
		all.Add(1)
		go func() {
			defer all.Done()
			next1, stop1 := greenlet.Pull2(libc.Walk(dir))
			next2, stop2 := greenlet.Pull2(libc.Walk(dir))
			defer stop2()
			defer stop1()
			got1, got2 := found{}, found{}
			for {
				path, i, ok := next1()
				if !ok {
					break
				}
				got1.add(t, path, i)
				if path, i, ok = next2(); ok {
					got2.add(t, path, i)
				}
			}
			assert.Equal(t, want, got1)
			assert.Equal(t, want, got2)
		}()
	}
	all.Wait()
}

func TestStoppedWalkClosesItsDirectories(t *testing.T) {
	dir := tree(t, 2, 3)
	handles := handle.Live()
	for _, i := range libc.Walk(dir) {
		if !i.Dir {
			break
		}
	}
	assert.Zero(t, openDirectories(t, dir))
	assert.Equal(t, handles, handle.Live())

	next, stop := greenlet.Pull2(libc.Walk(dir))
	for n, file := 0, false; n < 10 || !file; n++ {
		_, i, ok := next()
		require.True(t, ok)
		file = !i.Dir
	}
	assert.NotZero(t, openDirectories(t, dir), "nftw should be in the midst of it")
	stop()
	assert.Zero(t, openDirectories(t, dir))
	_, _, ok := next()
	assert.False(t, ok)
}

func TestPanicInWalkClosesItsDirectories(t *testing.T) {
	dir := tree(t, 2, 2)
	handles := handle.Live()
	assert.PanicsWithValue(t, "enough", func() {
		for _, i := range libc.Walk(dir) {
			if !i.Dir {
				panic("enough")
			}
		}
	})
	assert.Zero(t, openDirectories(t, dir))
	assert.Equal(t, handles, handle.Live())
}

func TestKilledWalkClosesItsDirectories(t *testing.T) {
	dir := tree(t, 2, 2)
	require.NoError(t, greenlet.Run(func(root *greenlet.Greenlet) error {
		g := greenlet.New(func(any) (any, error) {
			for path, i := range libc.Walk(dir) {
				if i.Dir {
					continue
				}
				if _, err := root.Switch(path); err != nil {
					return nil, err
				}
			}
			return nil, nil
		})
		for range 3 {
			_, err := g.Switch(nil)
			require.NoError(t, err)
		}
		assert.NotZero(t, openDirectories(t, dir))
		return g.Kill()
	}))
	assert.Zero(t, openDirectories(t, dir))
}

func TestDeepWalkFitsTheDefaultStack(t *testing.T) {
	const deep = 450
	dir := t.TempDir()
	require.NoError(t, os.MkdirAll(dir+strings.Repeat("/d", deep), 0o700))
	// In a Run, or it would have the thread's own stack, which is as large as the C library
	// makes it.
	require.NoError(t, greenlet.Run(func(*greenlet.Greenlet) error {
		next, stop := greenlet.Pull2(libc.Walk(dir))
		defer stop()
		last := 0
		for _, i, ok := next(); ok; _, i, ok = next() {
			require.NoError(t, i.Err)
			last = i.Level
		}
		assert.Equal(t, deep, last)
		return nil
	}))
}

func TestWalkTellsErrors(t *testing.T) {
	for _, dir := range []string{filepath.Join(t.TempDir(), "none"), "a\x00b", ""} {
		n := 0
		for path, i := range libc.Walk(dir) {
			n++
			assert.Equal(t, dir, path)
			var err *fs.PathError
			require.ErrorAs(t, i.Err, &err)
			assert.Equal(t, dir, err.Path)
		}
		assert.Equal(t, 1, n)
	}
}

func TestWalkTellsOfWhatVanishes(t *testing.T) {
	dir := tree(t, 5, 0)
	var err error
	for path, i := range libc.Walk(dir) {
		if path != dir && i.Err == nil {
			for path := range expected(t, dir) { // nftw has read their names already
				if path != dir {
					require.NoError(t, os.Remove(path))
				}
			}
		}
		if err == nil {
			err = i.Err
		}
	}
	assert.ErrorIs(t, err, fs.ErrNotExist)
}

// Directory entries come in the order of the file system, so this one has one.
func ExampleWalk() {
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	if err := os.WriteFile(filepath.Join(dir, "hello"), []byte("world"), 0o600); err != nil {
		panic(err)
	}

	next, stop := greenlet.Pull2(libc.Walk(dir))
	defer stop()
	for path, i, ok := next(); ok; path, i, ok = next() { // nftw waits in between
		if !i.Dir {
			fmt.Println(filepath.Base(path), i.Size)
		}
	}
	// Output: hello 5
}
