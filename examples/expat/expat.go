//go:build greenlet_foreign && cgo && linux

package expat

/*
#cgo CFLAGS: -O2 -Wall
#cgo LDFLAGS: -lexpat
#include "sax.h"
*/
import "C"

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"
	"unsafe"

	"github.com/go-greenlet/greenlet/callback"
)

// A document is one that is being parsed.
type document struct {
	parser C.XML_Parser
	yield  func(xml.Token, error) bool
	text   []byte // what the next token comes after
	ended  bool   // the loop has
}

// Parse returns an iterator over a document, with the types of encoding/xml: start
// and end of each element, with the namespaces' names in place of their prefixes,
// and the text in between in one piece. The loop runs inside expat's callbacks.
//
// An error is the last of all: the reader's, or an *xml.SyntaxError.
//
// It knows nothing of greenlets: greenlet.Pull2 turns it inside out.
func Parse(r io.Reader) iter.Seq2[xml.Token, error] {
	return func(yield func(xml.Token, error) bool) {
		d := &document{parser: C.XML_ParserCreateNS(nil, ' '), yield: yield}
		if d.parser == nil {
			yield(nil, errNoMemory)
			return
		}
		defer C.XML_ParserFree(d.parser)
		var err error
		callback.During(d, func(h uintptr) {
			C.sax_begin(d.parser, C.uintptr_t(h))
			err = d.parse(r)
		})
		if err != nil && !d.ended {
			yield(nil, err)
		}
	}
}

var errNoMemory = errors.New("expat: out of memory")

func (d *document) parse(r io.Reader) error {
	const size = 16 << 10
	for {
		buf := C.XML_GetBuffer(d.parser, size)
		if buf == nil {
			return d.failure()
		}
		n, err := r.Read(unsafe.Slice((*byte)(buf), size))
		if err != nil && err != io.EOF {
			return err
		}
		last := C.int(0)
		if err == io.EOF {
			last = 1
		}
		if C.XML_ParseBuffer(d.parser, C.int(n), last) != C.XML_STATUS_OK {
			return d.failure()
		}
		if d.ended || last == 1 {
			return nil
		}
	}
}

// failure is what the parser has to say.
func (d *document) failure() error {
	code := C.XML_GetErrorCode(d.parser)
	if code == C.XML_ERROR_NO_MEMORY {
		return errNoMemory
	}
	return &xml.SyntaxError{
		Line: int(C.XML_GetCurrentLineNumber(d.parser)),
		Msg:  fmt.Sprintf("column %d: %s", C.XML_GetCurrentColumnNumber(d.parser)+1, C.GoString(C.XML_ErrorString(code))),
	}
}

// tell yields the text before a token, and the token. Expat may call back a few times
// after it was told to stop.
func (d *document) tell(token xml.Token) {
	if len(d.text) > 0 {
		text := xml.CharData(d.text)
		d.text = nil
		d.pass(text)
	}
	d.pass(token)
}

func (d *document) pass(token xml.Token) {
	if d.ended {
		return
	}
	d.ended = true // unless the loop goes on: it may panic
	if d.ended = !d.yield(token, nil); d.ended {
		C.XML_StopParser(d.parser, C.XML_FALSE)
	}
}

// name takes apart what expat makes of a name: its namespace, a space, and the rest.
func name(s *C.char) xml.Name {
	full := C.GoString(s)
	space, local, found := strings.Cut(full, " ")
	if !found {
		return xml.Name{Local: full}
	}
	return xml.Name{Space: space, Local: local}
}

//export saxStart
func saxStart(doc C.uintptr_t, element *C.char, attributes **C.char) {
	callback.Do(uintptr(doc), func(d *document) {
		start := xml.StartElement{Name: name(element)}
		for {
			a := (*[2]*C.char)(unsafe.Pointer(attributes)) // a name and a value; NULL at the end
			if a[0] == nil {
				break
			}
			start.Attr = append(start.Attr, xml.Attr{Name: name(a[0]), Value: C.GoString(a[1])})
			attributes = (**C.char)(unsafe.Add(unsafe.Pointer(attributes), unsafe.Sizeof(*a)))
		}
		d.tell(start)
	})
}

//export saxEnd
func saxEnd(doc C.uintptr_t, element *C.char) {
	callback.Do(uintptr(doc), func(d *document) { d.tell(xml.EndElement{Name: name(element)}) })
}

//export saxText
func saxText(doc C.uintptr_t, text *C.char, size C.int) {
	callback.Do(uintptr(doc), func(d *document) {
		d.text = append(d.text, unsafe.Slice((*byte)(unsafe.Pointer(text)), int(size))...)
	})
}
