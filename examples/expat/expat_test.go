//go:build greenlet_foreign && cgo && linux

package expat_test

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-greenlet/greenlet"
	"github.com/go-greenlet/greenlet/examples/expat"
	"github.com/go-greenlet/greenlet/internal/handle"
)

// This module's own, and what gdb and other Debian packages have installed.
var documents = []string{
	"../../docs/*.svg",
	"/usr/share/gdb/syscalls/*.xml",
	"/usr/share/xml/iso-codes/*.xml",
	"/usr/share/X11/xkb/rules/*.xml",
	"/usr/share/metainfo/*.xml",
}

type document struct {
	text []byte
	want []xml.Token
}

func files(t *testing.T) map[string]document {
	found := map[string]document{}
	for _, pattern := range documents {
		names, err := filepath.Glob(pattern)
		require.NoError(t, err)
		for _, name := range names {
			doc, err := os.ReadFile(name)
			require.NoError(t, err)
			if want, err := witness(doc); err != nil {
				t.Logf("%s is left out: %v", name, err) // DTDs with entities, for one
			} else if len(want) > 0 {
				found[name] = document{doc, want}
			}
		}
	}
	require.NotEmpty(t, found)
	return found
}

// push collects tokens where they are pushed, in the loop's body.
func push(tokens iter.Seq2[xml.Token, error]) (all []xml.Token, err error) {
	for token, err := range tokens {
		if err != nil {
			return all, err
		}
		all = append(all, token)
	}
	return all, nil
}

// pull collects them where they are asked for.
func pull(tokens iter.Seq2[xml.Token, error]) (all []xml.Token, err error) {
	next, stop := greenlet.Pull2(tokens)
	defer stop()
	for {
		token, err, ok := next()
		if !ok || err != nil {
			return all, err
		}
		all = append(all, token)
	}
}

// witness has encoding/xml parse the document, and keeps what expat tells, too.
func witness(doc []byte) (all []xml.Token, err error) {
	d := xml.NewDecoder(bytes.NewReader(doc))
	depth := 0
	for {
		token, err := d.Token()
		if err == io.EOF {
			return all, nil
		}
		if err != nil {
			return nil, err
		}
		switch token := token.(type) {
		case xml.StartElement:
			depth++
			token = token.Copy()
			token.Attr = slices.DeleteFunc(token.Attr, func(a xml.Attr) bool { return a.Name.Space == "xmlns" || a.Name.Local == "xmlns" })
			if len(token.Attr) == 0 {
				token.Attr = nil
			}
			all = append(all, token)
		case xml.EndElement:
			depth--
			all = append(all, token)
		case xml.CharData:
			if depth == 0 {
				continue
			}
			if last, ok := all[len(all)-1].(xml.CharData); ok { // around a comment
				all[len(all)-1] = append(last, token...)
			} else {
				all = append(all, token.Copy())
			}
		}
	}
}

func TestSameTokensAsEncodingXML(t *testing.T) {
	for name, doc := range files(t) {
		pushed, err := push(expat.Parse(bytes.NewReader(doc.text)))
		require.NoError(t, err, name)
		pulled, err := pull(expat.Parse(iotest.HalfReader(bytes.NewReader(doc.text))))
		require.NoError(t, err, name)
		require.Equal(t, doc.want, pushed, name)
		require.Equal(t, doc.want, pulled, name)
	}
}

// Many parsers, each suspended in a callback of its own, and collections in between.
func TestDocumentsAreReadInAnyOrder(t *testing.T) {
	type reading struct {
		next func() (xml.Token, error, bool)
		want []xml.Token
	}
	var all []reading
	for _, doc := range files(t) {
		next, stop := greenlet.Pull2(expat.Parse(bytes.NewReader(doc.text)))
		defer stop()
		all = append(all, reading{next, doc.want})
	}
	for n := 0; len(all) > 0; n++ {
		i := rand.IntN(len(all))
		r := &all[i]
		for range rand.IntN(200) {
			token, err, ok := r.next()
			require.NoError(t, err)
			if !ok {
				assert.Empty(t, r.want)
				all = slices.Delete(all, i, i+1)
				break
			}
			require.NotEmpty(t, r.want)
			require.Equal(t, r.want[0], token)
			r.want = r.want[1:]
		}
		if n%100 == 0 {
			runtime.GC()
		}
	}
}

// A sysCall is a line of gdb's tables, which are sorted by number.
type sysCall struct {
	number int
	name   string
}

func sysCalls(tokens iter.Seq2[xml.Token, error]) iter.Seq2[sysCall, error] {
	return func(yield func(sysCall, error) bool) {
		for token, err := range tokens {
			start, ok := token.(xml.StartElement)
			if err == nil && (!ok || start.Name.Local != "syscall") {
				continue
			}
			var c sysCall
			for _, a := range start.Attr {
				switch a.Name.Local {
				case "name":
					c.name = a.Value
				case "number":
					c.number, err = strconv.Atoi(a.Value)
				}
			}
			if !yield(c, err) || err != nil {
				return
			}
		}
	}
}

// Two of gdb's tables, sorted by name, are joined as two sorted files are: the one
// that is behind goes on. Neither is ever in memory as a whole.
func TestTwoTablesAreMerged(t *testing.T) {
	const amd64, arm64 = "/usr/share/gdb/syscalls/amd64-linux.xml", "/usr/share/gdb/syscalls/aarch64-linux.xml"
	open := func(name string) *os.File {
		f, err := os.Open(name)
		if errors.Is(err, os.ErrNotExist) {
			t.Skip("needs the tables of gdb (in Debian gdb): make deps")
		}
		require.NoError(t, err)
		t.Cleanup(func() { f.Close() })
		return f
	}
	table := func(name string) map[int]string {
		calls := map[int]string{}
		for call, err := range sysCalls(expat.Parse(open(name))) {
			require.NoError(t, err)
			calls[call.number] = call.name
		}
		return calls
	}
	one, other := table(amd64), table(arm64)
	require.Greater(t, len(one), 300)
	require.Greater(t, len(other), 200)
	want := map[int][2]string{}
	for number := range maps.Keys(one) {
		want[number] = [2]string{one[number], other[number]}
	}
	for number := range maps.Keys(other) {
		want[number] = [2]string{one[number], other[number]}
	}

	got := map[int][2]string{}
	nextA, stopA := greenlet.Pull2(sysCalls(expat.Parse(open(amd64))))
	defer stopA()
	nextB, stopB := greenlet.Pull2(sysCalls(expat.Parse(open(arm64))))
	defer stopB()
	a, err, moreA := nextA()
	require.NoError(t, err)
	b, err, moreB := nextB()
	for moreA || moreB {
		require.NoError(t, err)
		number := a.number
		if !moreA || moreB && b.number < number {
			number = b.number
		}
		var names [2]string
		if moreA && a.number == number {
			names[0] = a.name
			a, err, moreA = nextA()
			require.NoError(t, err)
		}
		if moreB && b.number == number {
			names[1] = b.name
			b, err, moreB = nextB()
		}
		got[number] = names
	}
	assert.Equal(t, want, got)
}

func TestLockstep(t *testing.T) {
	const one = `<a><b x="1"/>text</a>`
	for other, want := range map[string]int{
		one:                      0,
		`<a><b x="2"/>text</a>`:  1,
		`<a><b x="1"/>texts</a>`: 1,
		`<a><b x="1"/></a>`:      2, // "text" and the end, the end and nil
	} {
		different := 0
		for pair, err := range expat.Lockstep(strings.NewReader(one), strings.NewReader(other)) {
			require.NoError(t, err)
			if !assert.ObjectsAreEqual(pair[0], pair[1]) {
				different++
			}
		}
		assert.Equal(t, want, different, other)
	}
}

func TestErrors(t *testing.T) {
	_, err := pull(expat.Parse(strings.NewReader("<a>\n <b></a>")))
	var syntax *xml.SyntaxError
	require.ErrorAs(t, err, &syntax)
	assert.EqualError(t, err, "XML syntax error on line 2: column 7: mismatched tag")

	_, err = pull(expat.Parse(strings.NewReader("")))
	assert.EqualError(t, err, "XML syntax error on line 1: column 1: no element found")

	broken := errors.New("broken")
	tokens, err := pull(expat.Parse(io.MultiReader(strings.NewReader("<a><b>"), iotest.ErrReader(broken))))
	assert.ErrorIs(t, err, broken)
	assert.Len(t, tokens, 2)

	good := strings.NewReader("<a/>")
	for _, err := range expat.Lockstep(good, strings.NewReader("a")) {
		assert.EqualError(t, err, "second document: XML syntax error on line 1: column 1: syntax error")
	}
}

// noHandleStays runs f twice: after the first time, the thread has its workers, which
// have handles, too.
func noHandleStays(t *testing.T, f func()) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	f()
	handles := handle.Live()
	f()
	assert.Equal(t, handles, handle.Live())
}

// -asan finds what is lost.
func TestStoppedAnywhere(t *testing.T) { noHandleStays(t, func() { stopAnywhere(t) }) }

func stopAnywhere(t *testing.T) {
	const doc = `<a><b/>text<c x="1">more</c></a>`
	all, err := push(expat.Parse(strings.NewReader(doc)))
	require.NoError(t, err)
	for n := range all {
		next, stop := greenlet.Pull2(expat.Parse(strings.NewReader(doc)))
		for i := range n {
			token, err, ok := next()
			require.True(t, ok)
			require.NoError(t, err)
			assert.Equal(t, all[i], token)
		}
		stop()
		_, _, ok := next()
		assert.False(t, ok)

		i := 0
		for range expat.Parse(strings.NewReader(doc)) {
			if i++; i > n {
				break
			}
		}
		assert.PanicsWithValue(t, "enough", func() {
			i := 0
			for range expat.Parse(strings.NewReader(doc)) {
				if i++; i > n {
					panic("enough")
				}
			}
		})
	}
}

func TestKilledInACallback(t *testing.T) { noHandleStays(t, func() { killInACallback(t) }) }

func killInACallback(t *testing.T) {
	require.NoError(t, greenlet.Run(func(root *greenlet.Greenlet) error {
		g := greenlet.New(func(any) (any, error) {
			for token, err := range expat.Parse(strings.NewReader("<a><b/></a>")) {
				if err == nil {
					_, err = root.Switch(token)
				}
				if err != nil {
					return nil, err
				}
			}
			return nil, nil
		})
		token, err := g.Switch(nil)
		require.NoError(t, err)
		assert.Equal(t, xml.StartElement{Name: xml.Name{Local: "a"}}, token)
		return g.Kill()
	}))
}

func ExampleLockstep() {
	before := strings.NewReader(`<menu><dish price="12">soup</dish><dish price="20">fish</dish></menu>`)
	after := strings.NewReader(`<menu><dish price="12">soup</dish><dish price="25">fish</dish></menu>`)
	for pair, err := range expat.Lockstep(before, after) {
		if err != nil {
			fmt.Println(err)
			return
		}
		a, ok := pair[0].(xml.StartElement)
		b, too := pair[1].(xml.StartElement)
		if ok && too && len(a.Attr) > 0 && a.Attr[0] != b.Attr[0] {
			fmt.Println(a.Name.Local, a.Attr[0].Value, "->", b.Attr[0].Value)
		}
	}
	// Output: dish 20 -> 25
}

// Push and pull do the same; the rest is what encoding/xml takes for it.
func BenchmarkTokens(b *testing.B) {
	doc, err := os.ReadFile("../../docs/performance.svg")
	require.NoError(b, err)
	n := 0
	for range expat.Parse(bytes.NewReader(doc)) {
		n++
	}
	for name, collect := range map[string]func(){
		"push": func() {
			for _, err := range expat.Parse(bytes.NewReader(doc)) {
				require.NoError(b, err)
			}
		},
		"pull": func() {
			next, stop := greenlet.Pull2(expat.Parse(bytes.NewReader(doc)))
			defer stop()
			for _, err, ok := next(); ok; _, err, ok = next() {
				require.NoError(b, err)
			}
		},
		"encoding/xml": func() {
			d := xml.NewDecoder(bytes.NewReader(doc))
			var err error
			for err == nil {
				_, err = d.Token()
			}
			require.ErrorIs(b, err, io.EOF)
		},
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				collect()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/token")
		})
	}
}
