// Package purego tests github.com/ebitengine/purego, which calls C without cgo and makes C
// functions of Go functions, with libxml2's SAX parser and with libcurl.
package purego

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"unsafe"

	"github.com/ebitengine/purego"
	"github.com/stretchr/testify/require"

	"github.com/go-greenlet/greenlet/interop/harness"
)

func open(t *testing.T, name string) uintptr {
	lib, err := purego.Dlopen(name, purego.RTLD_NOW|purego.RTLD_GLOBAL)
	if err != nil {
		t.Skipf("needs %s: %v", name, err)
	}
	return lib
}

// A call is what a callback finds by the number that the library keeps for it: what purego makes
// a C function of stays for ever, so there is one for all.
type call struct {
	ask  func(int) (int, error)
	err  error
	text strings.Builder
}

var calls sync.Map // of *call, by uintptr
var lastCall uintptr

func (c *call) begin() (id uintptr, end func()) {
	lastCall++
	id = lastCall
	calls.Store(id, c)
	return id, func() { calls.Delete(id) }
}

func find(id uintptr) *call {
	c, _ := calls.Load(id)
	return c.(*call)
}

func text(p *byte, n int) string {
	if n < 0 {
		for n = 0; *(*byte)(unsafe.Add(unsafe.Pointer(p), n)) != 0; n++ {
		}
	}
	return string(unsafe.Slice(p, n))
}

func TestLibXML2(t *testing.T) {
	lib := open(t, "libxml2.so.2")
	var parse func(sax unsafe.Pointer, user uintptr, text string, size int32) int32
	purego.RegisterLibFunc(&parse, lib, "xmlSAXUserParseMemory")

	start := purego.NewCallback(func(id uintptr, name *byte, _ unsafe.Pointer) {
		c := find(id)
		if c.err != nil {
			return // libxml2 can be stopped by xmlStopParser only, which wants its own context
		}
		var n int
		if n, c.err = c.ask(len(text(name, -1))); c.err == nil {
			fmt.Fprintf(&c.text, "<%s %d>", text(name, -1), n)
		}
	})
	characters := purego.NewCallback(func(id uintptr, s *byte, n int32) {
		c := find(id)
		if c.err == nil {
			_, c.err = c.ask(int(n))
			c.text.WriteString(text(s, int(n)))
		}
	})
	const startElement, chars, words = 14, 17, 32 // in struct _xmlSAXHandler
	handler := new([words]uintptr)
	handler[startElement], handler[chars] = start, characters

	harness.Run(t, 20, func(seed int, ask func(int) (int, error)) (string, error) {
		c := &call{ask: ask}
		id, end := c.begin()
		defer end()
		doc := fmt.Sprintf("<a><bb>x%d</bb><ccc><dddd/></ccc>yy</a>", seed)
		if code := parse(unsafe.Pointer(handler), id, doc, int32(len(doc))); code != 0 {
			return "", fmt.Errorf("libxml2: %d", code)
		}
		return c.text.String(), c.err
	})
}

func TestLibCurl(t *testing.T) {
	lib := open(t, "libcurl.so.4")
	var (
		global  func(flags int) int32
		create  func() uintptr
		setText func(h uintptr, option int32, v string) int32
		set     func(h uintptr, option int32, v uintptr) int32
		perform func(h uintptr) int32
		destroy func(h uintptr)
	)
	purego.RegisterLibFunc(&global, lib, "curl_global_init")
	purego.RegisterLibFunc(&create, lib, "curl_easy_init")
	purego.RegisterLibFunc(&setText, lib, "curl_easy_setopt")
	purego.RegisterLibFunc(&set, lib, "curl_easy_setopt")
	purego.RegisterLibFunc(&perform, lib, "curl_easy_perform")
	purego.RegisterLibFunc(&destroy, lib, "curl_easy_cleanup")
	require.Zero(t, global(3))
	write := purego.NewCallback(func(p *byte, size, n, id uintptr) uintptr {
		c := find(id)
		if c.err == nil {
			var k int
			if k, c.err = c.ask(int(n)); c.err == nil {
				fmt.Fprintf(&c.text, "%d:%d ", n, k)
				return size * n
			}
		}
		return 0 // curl stops
	})
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, make([]byte, 70000), 0o644))

	harness.Run(t, 20, func(_ int, ask func(int) (int, error)) (string, error) {
		c := &call{ask: ask}
		id, end := c.begin()
		defer end()
		h := create()
		if h == 0 {
			return "", errors.New("curl: no memory")
		}
		defer destroy(h)
		const url, writeData, writeFunction = 10002, 10001, 20011
		for _, code := range []int32{setText(h, url, "file://"+file), set(h, writeData, id), set(h, writeFunction, write), perform(h)} {
			if code != 0 {
				return "", errors.Join(c.err, fmt.Errorf("curl: %d", code))
			}
		}
		return c.text.String(), c.err
	})
}
