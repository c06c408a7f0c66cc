//go:build cgo && linux

package gort

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// doc.go lists each offset, each function that is linked to, and each that is looked for by name.
func TestWhatIsReliedOnIsListed(t *testing.T) {
	doc, err := os.ReadFile("doc.go")
	require.NoError(t, err)
	files, err := filepath.Glob("*.go")
	require.NoError(t, err)
	offset := regexp.MustCompile(`(?m)^\t([gm][A-Z]\w*) += \d`)
	linked := regexp.MustCompile(`(?m)^\s*//go:linkname \w+ (\S+)$`)
	named := regexp.MustCompile(`"((?:runtime|plugin)\.\w+)"`)
	found := map[string]int{}
	for _, file := range files {
		if file == "doc.go" || strings.HasSuffix(file, "_test.go") {
			continue
		}
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		if !strings.HasPrefix(file, "offsets_go") {
			text = offset.ReplaceAll(text, nil)
		}
		for kind, pattern := range map[string]*regexp.Regexp{"offset": offset, "link": linked, "name": named} {
			for _, m := range pattern.FindAllSubmatch(text, -1) {
				found[kind]++
				assert.Regexp(t, `[\s(]`+regexp.QuoteMeta(string(m[1]))+`\b`, string(doc), file)
			}
		}
	}
	assert.Greater(t, found["offset"], 30)
	assert.Greater(t, found["link"], 6)
	assert.Greater(t, found["name"], 8)
}
