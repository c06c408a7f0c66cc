//go:build cgo && linux

package greenlet

/*
#define GLET_GO_CALL // strong; see there
#include "escape.h"
#include "go_calls.h"
#include "greenlet_internal.h"
*/
import "C"

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"unsafe"

	"github.com/go-greenlet/greenlet/internal/handle"
)

// This file is Go's side of csrc/greenlet.h, which documents it: C's codes and
// values are translated, and the rules are those of Switch, Throw, Kill and so on.

// A CError is a code of a C program's own, 1 or above: what the body of a C greenlet
// has returned, or what C has thrown.
type CError int

func (e CError) Error() string { return fmt.Sprintf("C code %d", int(e)) }

// NewC is New with a body in C: fn is the address of a greenlet_body function
// (csrc/greenlet.h), which is called with arg. A nil fn is as New(nil).
func NewC(fn, arg unsafe.Pointer, opts ...Option) *Greenlet {
	return newC(uintptr(fn), uintptr(arg), opts...)
}

func newC(fn, arg uintptr, opts ...Option) *Greenlet {
	if fn == 0 {
		return New(nil, opts...)
	}
	var c *core
	g := New(func(v any) (any, error) { return c.runC(fn, arg, v) }, opts...)
	c = g.c
	c.body = fn
	return g
}

// cState is what C knows of a greenlet.
type cState struct {
	handle handle.Handle // what greenlet_self returns; 0: nobody has asked
	// The last ones of Go that C was told of in it.
	err      error
	panicked *PanicError
	exited   bool
}

// runC calls the body in C.
func (c *core) runC(fn, arg uintptr, v any) (any, error) {
	var result C.uintptr_t
	var exception *C.char
	code := C.glet_call_body(C.uintptr_t(fn), C.uintptr_t(arg), C.uintptr_t(toC(v)), &result, &exception)
	if exception != nil {
		defer C.glet_exception_free(exception)
		return nil, fmt.Errorf("greenlet: an exception left a C++ body: %s", C.GoString(exception))
	}
	if code == C.GREENLET_OK {
		v, h := fromC(uintptr(result))
		releaseValue(h)
		return v, nil
	}
	return nil, c.errorOfCode(code)
}

// releaseCState forgets what C was told of a greenlet that ends.
func (c *core) releaseCState() {
	x := c.makeRare()
	if x.cState.handle != 0 {
		if err := x.cState.handle.Delete(); err != nil {
			panic(err)
		}
	}
	x.cState = nil
}

// errorOfCode is the error that a code stands for in this greenlet. A panic or Goexit goes
// on.
func (c *core) errorOfCode(code C.int) error {
	x := c.rareFields()
	switch code {
	case C.GREENLET_EXIT:
		return ErrExit
	case C.GREENLET_EGO:
		if x.cState != nil && x.cState.err != nil {
			return x.cState.err
		}
	case C.GREENLET_EPANIC:
		if x.cState != nil && x.cState.panicked != nil {
			panic(x.cState.panicked)
		}
	case C.GREENLET_EGOEXIT:
		if x.cState != nil && x.cState.exited {
			runtime.Goexit()
		}
	}
	text := C.GoString(C.greenlet_text(code))
	switch code {
	case C.GREENLET_EGO, C.GREENLET_EPANIC, C.GREENLET_EGOEXIT:
		return fmt.Errorf("greenlet: a C body returned %d: %s, but it was told of none", code, text)
	}
	if code > 0 {
		return CError(code)
	}
	for _, known := range codes {
		if known.code == code {
			return fmt.Errorf("greenlet: a C body returned %d: %w", code, known.err)
		}
	}
	return fmt.Errorf("greenlet: a C body returned %d: %s", code, text)
}

// What the errors of this package are in C. An error may be several of them; the first
// one counts.
var codes = []struct {
	err  error
	code C.int
}{
	{errEndSection, C.GREENLET_ESECTION}, {errSection, C.GREENLET_ESECTION}, {errNoSection, C.GREENLET_ESECTION},
	{errLivesOn, C.GREENLET_EGO}, {errGoexit, C.GREENLET_EGOEXIT},
	{ErrWrongThread, C.GREENLET_ETHREAD}, {ErrThreadExited, C.GREENLET_EGONE}, {ErrCyclicParent, C.GREENLET_ECYCLE},
	{ErrRootParent, C.GREENLET_EROOT}, {errKillRoot, C.GREENLET_EROOT}, {ErrNoRun, C.GREENLET_ENORUN},
	{handle.ErrStale, C.GREENLET_EFREED}, {errOwnReference, C.GREENLET_EFREED},
}

var errOwnReference = errors.New("it is the greenlet's own reference, from greenlet_self, which is not to be freed")

// reportError returns the code for an error, and leaves the words for greenlet_message.
func reportError(err error) C.int {
	if err == nil {
		return C.GREENLET_OK
	}
	code, text := describeError(err)
	var size C.size_t
	if p := C.glet_message(code, &size); p != nil {
		room := unsafe.Slice((*byte)(unsafe.Pointer(p)), size)
		room[copy(room[:size-1], text)] = 0
	}
	if t := currentTree(); t != nil && t.current != t.root { // a root has no body that could pass it on
		switch code {
		case C.GREENLET_EGO:
			t.current.c.ensureCState().err = err
		case C.GREENLET_EPANIC:
			t.current.c.ensureCState().panicked = err.(*PanicError)
		case C.GREENLET_EGOEXIT:
			t.current.c.ensureCState().exited = true
		}
	}
	return code
}

// describeError is an error's code and text. It calls methods of the program's own, and if
// they panic, that is what there is to be said.
func describeError(err error) (code C.int, text string) {
	code, text = C.GREENLET_EGO, fmt.Sprintf("an error of Go, a %T, whose methods panic", err)
	defer func() { _ = recover() }()
	text = err.Error()
	if _, ok := err.(*PanicError); ok {
		return C.GREENLET_EPANIC, text
	}
	for _, known := range codes {
		if errors.Is(err, known.err) {
			return known.code, text
		}
	}
	var own CError
	switch {
	case errors.As(err, &own) && own > 0:
		code = C.int(own)
	case isExit(err):
		code = C.GREENLET_EXIT
	}
	return code, text
}

// recoverToCode is around what C calls: no panic may go on from here, through C's frames.
func recoverToCode(f func() error) (code C.int) {
	defer func() {
		if r := recover(); r != nil {
			c := &core{} // nobody, if there is no tree
			if t := currentTree(); t != nil {
				c = t.current.c
			}
			err := c.panicMessage(r).err
			if err == nil {
				err = ErrExit
			}
			code = reportError(err)
		}
	}()
	return reportError(f())
}

func (c *core) ensureCState() *cState {
	x := c.makeRare()
	if x.cState == nil {
		x.cState = &cState{}
	}
	return x.cState
}

// toC is the value as C gets it.
func toC(v any) uintptr {
	switch v := v.(type) {
	case nil:
		return 0
	case unsafe.Pointer:
		return uintptr(v)
	case uintptr:
		return v
	case error:
		if isExit(v) {
			return 0
		}
	}
	return uintptr(handle.New(v))
}

// fromC is the value that C has sent. The handle of a Go value is used up when it has
// arrived; see consume.
func fromC(p uintptr) (v any, h handle.Handle) {
	const page = 4096 // below that there are no addresses, and Go takes no pointer there
	switch {
	case p == 0:
		return nil, 0
	case p < page:
		return p, 0
	}
	h = handle.Handle(p)
	if v, err := h.Value(); err == nil {
		if _, ok := v.(reference); !ok {
			return v, h
		}
	}
	return *(*unsafe.Pointer)(unsafe.Pointer(&p)), 0
}

// releaseValue deletes the handle of a value that was passed on. That it is gone already can
// only be by another thread of C, which has sent the same.
func releaseValue(h handle.Handle) {
	if h != 0 {
		_ = h.Delete()
	}
}

// A reference is what a greenlet * of C names: a Greenlet; or a core, if it is not
// to keep the Greenlet from being forgotten.
type reference struct {
	g *Greenlet
	c *core
}

func newReference(g *Greenlet) *C.greenlet {
	h := handle.New(reference{g: g})
	return *(**C.greenlet)(unsafe.Pointer(&h))
}

func lookupReference(p *C.greenlet) (reference, error) {
	v, err := handle.Handle(uintptr(unsafe.Pointer(p))).Value()
	if err != nil {
		return reference{}, err
	}
	if r, ok := v.(reference); ok {
		return r, nil
	}
	return reference{}, handle.ErrStale
}

// greenletOf returns what p names, for an operation on it.
func greenletOf(p *C.greenlet) (*Greenlet, error) {
	r, err := lookupReference(p)
	if err != nil || r.g != nil {
		return r.g, err
	}
	switch c, t := r.c, currentTree(); {
	case t == nil || t != c.tree.Load() || c.life.Load() != lifeStarted:
		return &Greenlet{c: c}, nil // for a question, or an error: the real one is its thread's business
	case c == t.current.c:
		return t.current, nil
	default:
		return c.userRef(), nil
	}
}

// parentOf is referred for a greenlet that is to be somebody's parent.
func parentOf(op string, p *C.greenlet) (*Greenlet, error) {
	r, err := lookupReference(p)
	if err == nil && r.g == nil && r.c.tree.Load() != currentTree() {
		return nil, fail(op, &Greenlet{c: r.c}, ErrWrongThread, "what greenlet_self returned names a parent on its own thread only")
	}
	if err != nil {
		return nil, err
	}
	return greenletOf(p)
}

// makeForC hands out a new greenlet, with what C has said of it.
func makeForC(out **C.greenlet, parent *C.greenlet, size C.size_t, make func(opts ...Option) *Greenlet) C.int {
	opts := []Option{WithStackSize(int(min(size, C.size_t(maxStackSize)+1)))}
	if parent != nil {
		p, err := parentOf("greenlet_new", parent)
		if err != nil {
			return reportError(err)
		}
		opts = append(opts, WithParent(p))
	}
	*out = newReference(make(opts...))
	return C.GREENLET_OK
}

//export greenletMake
func greenletMake(out **C.greenlet, body, arg C.uintptr_t, parent *C.greenlet, size C.size_t) C.int {
	return makeForC(out, parent, size, func(opts ...Option) *Greenlet { return newC(uintptr(body), uintptr(arg), opts...) })
}

//export greenletMakeGo
func greenletMakeGo(out **C.greenlet, f C.uintptr_t, parent *C.greenlet, size C.size_t) C.int {
	h := handle.Handle(f)
	v, err := h.Value()
	if err != nil {
		return reportError(err)
	}
	run, ok := v.(Func)
	if !ok {
		if run, ok = v.(func(any) (any, error)); !ok {
			return reportError(fmt.Errorf("greenlet: greenlet_new_go of a %T, which is no greenlet.Func", v))
		}
	}
	code := makeForC(out, parent, size, func(opts ...Option) *Greenlet { return New(run, opts...) })
	if code == C.GREENLET_OK {
		return reportError(h.Delete())
	}
	return code
}

//export greenletFree
func greenletFree(p *C.greenlet) C.int {
	h := handle.Handle(uintptr(unsafe.Pointer(p)))
	v, err := h.Value()
	if err != nil {
		return reportError(err)
	}
	switch r, ok := v.(reference); {
	case !ok:
		return reportError(handle.ErrStale)
	case r.g == nil:
		return reportError(fmt.Errorf("greenlet: greenlet_free: %w", errOwnReference))
	}
	return reportError(h.Delete())
}

//export greenletFreeValue
func greenletFreeValue(p C.uintptr_t) C.int {
	h := handle.Handle(p)
	if v, err := h.Value(); err == nil {
		if _, ok := v.(reference); ok {
			return reportError(fmt.Errorf("greenlet: greenlet_free_value of a greenlet: %w", handle.ErrStale))
		}
	}
	return reportError(h.Delete())
}

//export greenletCurrent
func greenletCurrent(out **C.greenlet) C.int {
	t, err := ownTree()
	if err == nil {
		*out = newReference(t.currentRef())
	}
	return reportError(err)
}

//export greenletSelf
func greenletSelf() *C.greenlet {
	t := currentTree()
	if t == nil || t.current == t.root {
		return nil
	}
	c := t.current.c.ensureCState()
	if c.handle == 0 {
		c.handle = handle.New(reference{c: t.current.c})
	}
	return *(**C.greenlet)(unsafe.Pointer(&c.handle))
}

//export greenletPass
func greenletPass(p *C.greenlet, code C.int, value C.uintptr_t, result *C.uintptr_t) C.int {
	return recoverToCode(func() error {
		g, err := greenletOf(p)
		if err != nil {
			return err
		}
		var m message
		switch {
		case code == 0:
			v, h := fromC(uintptr(value))
			m, err = g.transfer("Switch", message{kind: kindValue, value: v}, func() { releaseValue(h) })
		case code == C.GREENLET_EXIT:
			m, err = g.transfer("Throw", message{kind: kindError, err: ErrExit}, nil)
		default:
			m, err = g.transfer("Throw", message{kind: kindError, err: CError(code)}, nil)
		}
		switch {
		case err != nil:
			return err
		case m.kind == kindGoexit: // it goes on if the body returns the code
			return fail("Switch", g, errGoexit, "")
		case m.kind != kindValue:
			return m.err
		case result != nil:
			*result = C.uintptr_t(toC(m.value))
		}
		return nil
	})
}

//export greenletKill
func greenletKill(p *C.greenlet) C.int {
	return recoverToCode(func() error {
		g, err := greenletOf(p)
		if err != nil {
			return err
		}
		err, goexit := g.killFor("Kill")
		if goexit {
			err = errors.Join(err, fail("Kill", g, errGoexit, ""))
		}
		return err
	})
}

//export greenletParent
func greenletParent(p *C.greenlet, out **C.greenlet) C.int {
	g, err := greenletOf(p)
	if err != nil {
		return reportError(err)
	}
	*out = nil
	if parent := g.Parent(); parent != nil {
		*out = newReference(parent)
	}
	return C.GREENLET_OK
}

//export greenletSetParent
func greenletSetParent(p, parent *C.greenlet) C.int {
	g, err := greenletOf(p)
	if err != nil {
		return reportError(err)
	}
	to, err := parentOf("SetParent", parent)
	if err != nil {
		return reportError(err)
	}
	return reportError(g.SetParent(to))
}

//export greenletAsk
func greenletAsk(p *C.greenlet, what C.int) C.int {
	g, err := greenletOf(p)
	if err != nil {
		return reportError(err)
	}
	yes := false
	switch what {
	case C.GLET_ASK_STATE:
		return C.int(g.State())
	case C.GLET_ASK_ROOT:
		yes = g.IsRoot()
	case C.GLET_ASK_STARTED:
		yes = g.State() != Pending
	case C.GLET_ASK_ACTIVE:
		yes = g.Active()
	}
	if yes {
		return 1
	}
	return 0
}

//export greenletCarry
func greenletCarry(at C.uintptr_t, size C.size_t) C.int {
	return reportError(carryHere(*(*unsafe.Pointer)(unsafe.Pointer(&at)), uintptr(size)))
}

//export greenletSection
func greenletSection(enter C.int) C.int {
	if enter != 0 {
		return reportError(enterSection())
	}
	return reportError(leaveSection())
}

// carryHere is greenlet_carry: the calling greenlet, the root, and those that begin later on
// this thread carry the word.
func carryHere(at unsafe.Pointer, size uintptr) error {
	t, err := ownTree()
	if err != nil {
		return err
	}
	if t.free.Load() { // a variable of a thread needs one
		if err := t.bindToThread(); err != nil {
			return err
		}
		if t.free.Load() {
			return errNotBound
		}
	}
	w := []tlsSlot{{at, size}}
	if !slices.Contains(t.th.slots, w[0]) {
		t.th.slots = append(t.th.slots, w[0])
	}
	addSlots(t.current.c.coro, w)
	if t.current != t.root {
		addSlots(t.root.c.coro, w)
	}
	return nil
}
