package greenlet_test

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The tables in docs name tests. Each of them exists.
func TestTheTablesNameTestsThatExist(t *testing.T) {
	exists := map[string]bool{}
	def := regexp.MustCompile(`(?m)^func ((?:Test|Example|Fuzz|Benchmark)\w+)\(`)
	for _, pattern := range []string{"*_test.go", "*/*_test.go", "*/*/*_test.go"} {
		files, err := filepath.Glob(pattern)
		require.NoError(t, err)
		for _, file := range files {
			text, err := os.ReadFile(file)
			require.NoError(t, err)
			for _, m := range def.FindAllSubmatch(text, -1) {
				exists[string(m[1])] = true
			}
		}
	}
	name := regexp.MustCompile("`((?:Test|Example|Fuzz|Benchmark)\\w+)`")
	for _, file := range []string{"docs/rules.md", "docs/greenlet-tests.md"} {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		names := name.FindAllSubmatch(text, -1)
		assert.NotEmpty(t, names)
		for _, m := range names {
			assert.True(t, exists[string(m[1])], "%s: there is no %s", file, m[1])
		}
	}
}
