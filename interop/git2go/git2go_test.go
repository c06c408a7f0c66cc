// Package git2go tests github.com/libgit2/git2go, as Debian has it for its libgit2: a
// repository for each greenlet. It is a module of its own, since that source is not everywhere.
package git2go

import (
	"fmt"
	"testing"

	git "github.com/libgit2/git2go/v34"
	"github.com/stretchr/testify/require"

	"github.com/go-greenlet/greenlet/interop/harness"
)

func TestLibGit2(t *testing.T) {
	harness.Run(t, 20, func(seed int, ask func(int) (int, error)) (string, error) {
		r, err := git.InitRepository(t.TempDir(), true)
		require.NoError(t, err)
		defer r.Free()
		b, err := r.TreeBuilder()
		require.NoError(t, err)
		defer b.Free()
		for i := range 4 {
			id, err := r.CreateBlobFromBuffer(fmt.Appendf(nil, "blob %d", i))
			require.NoError(t, err)
			require.NoError(t, b.Insert(fmt.Sprint("file", i), id, git.FilemodeBlob))
		}
		id, err := b.Write()
		require.NoError(t, err)
		tree, err := r.LookupTree(id)
		require.NoError(t, err)
		defer tree.Free()

		out := ""
		err = tree.Walk(func(_ string, e *git.TreeEntry) error {
			n, err := ask(len(e.Name))
			out += fmt.Sprint(e.Name, n, " ")
			return err
		})
		if err != nil {
			return "", err
		}
		db, err := r.Odb()
		require.NoError(t, err)
		defer db.Free()
		err = db.ForEach(func(id *git.Oid) error {
			n, err := ask(int(id[0]))
			out += fmt.Sprint(n, " ")
			return err
		})
		return out, err
	})
}
