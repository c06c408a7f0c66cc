module github.com/go-greenlet/greenlet/interop/git2go

go 1.25.0

require (
	github.com/go-greenlet/greenlet/interop v0.0.0
	github.com/libgit2/git2go/v34 v34.0.0
	github.com/stretchr/testify v1.11.1
)

require (
	github.com/davecgh/go-spew v1.1.1 // indirect
	github.com/go-greenlet/greenlet v0.0.0 // indirect
	github.com/mattn/go-pointer v0.0.1 // indirect
	github.com/pmezard/go-difflib v1.0.0 // indirect
	golang.org/x/crypto v0.0.0-20201203163018-be400aefbc4c // indirect
	golang.org/x/sys v0.0.0-20201204225414-ed752295db88 // indirect
	gopkg.in/yaml.v3 v3.0.1 // indirect
)

replace (
	github.com/go-greenlet/greenlet => ../../
	github.com/go-greenlet/greenlet/interop => ../
	// Debian's golang-github-libgit2-git2go-v34-dev, which goes with its libgit2.
	github.com/libgit2/git2go/v34 => /usr/share/gocode/src/github.com/libgit2/git2go/v34
)
