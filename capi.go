//go:build cgo && linux

package greenlet

/*
#define GLET_GO_CALL // not weak, since Go defines these functions; see go_calls.h
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

// This file is Go's side of csrc/greenlet.h, which documents the functions for C. They translate
// C's codes and values; the rules are those of Switch, Throw, Kill and so on.

// A CError is an error code of a C program's own, 1 or above, which the body of a C greenlet
// has returned or C has thrown.
type CError int

func (e CError) Error() string { return fmt.Sprintf("C code %d", int(e)) }

// NewC is New with a body in C: fn is the address of a greenlet_body function
// (csrc/greenlet.h), which is called with arg. NewC(nil, arg) is New(nil).
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

// cState is what C was told in a greenlet. Only the greenlet's own goroutine uses it.
type cState struct {
	handle handle.Handle // what greenlet_self returns; 0: it was not called yet

	// What the last code of each kind stood for, so that the error, panic or Goexit itself goes
	// on if the body returns that code. reportError writes them, errorOfCode reads them.
	err      error       // GREENLET_EGO; nil: none
	panicked *PanicError // GREENLET_EPANIC; nil: none
	exited   bool        // GREENLET_EGOEXIT
}

// runC calls the body in C, and translates its result. A C++ exception that leaves the body is an
// error.
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

// releaseCState releases the cState of a greenlet that ends. Its greenlet_self is stale from now
// on.
func (c *core) releaseCState() {
	x := c.makeRare()
	if x.cState.handle != 0 {
		if err := x.cState.handle.Delete(); err != nil {
			panic(err)
		}
	}
	x.cState = nil
}

// errorOfCode is the error that a code stands for which the body of this greenlet has returned.
// For the code of a panic or Goexit it panics with that panic, or calls Goexit.
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

// codes are the codes of this package's errors. An error may wrap several of them; the first
// one in this order counts.
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

// reportError returns the code of an error, and puts the error's text into the thread's buffer
// for greenlet_message. It notes what the code stands for in the cState of the running greenlet.
func reportError(err error) C.int {
	if err == nil {
		return C.GREENLET_OK
	}
	code, text := describeError(err)
	var size C.size_t
	if p := C.glet_message(code, &size); p != nil {
		buffer := unsafe.Slice((*byte)(unsafe.Pointer(p)), size)
		buffer[copy(buffer[:size-1], text)] = 0
	}
	if t := currentTree(); t != nil && t.current != t.root { // a root has no body that could return the code
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

// describeError is an error's code and text. It calls methods of the program's own error types; if
// one of them panics, the text says that.
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

// recoverToCode calls f for C and returns the code of its error. It turns a panic into a code,
// too, because a panic must not unwind the C frames of the caller.
func recoverToCode(f func() error) (code C.int) {
	defer func() {
		if r := recover(); r != nil {
			c := &core{} // an anonymous one, if there is no tree
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

// toC is a value as C gets it: nil and ErrExit as NULL, a pointer or number as it is, and any
// other value as a handle, which C has to send back or to free.
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

// fromC is the value that C has sent, and its handle if it is a Go value, else 0. The caller
// deletes the handle by releaseValue when the value has been delivered.
func fromC(p uintptr) (v any, h handle.Handle) {
	const page = 4096 // below that are no addresses, and Go takes a pointer there for invalid: it is a number
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

// releaseValue deletes the handle of a value that was delivered. If it is stale, another thread of
// C has sent the same value, which is C's mistake and does not concern this delivery.
func releaseValue(h handle.Handle) {
	if h != 0 {
		_ = h.Delete()
	}
}

// A reference is what the handle in a greenlet * of C names. Exactly one field is set.
type reference struct {
	g *Greenlet // of a greenlet * that C owns and has to free
	c *core     // of greenlet_self, which must not keep the Greenlet reachable
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

// greenletOf returns the Greenlet that p names, for an operation on it.
func greenletOf(p *C.greenlet) (*Greenlet, error) {
	r, err := lookupReference(p)
	if err != nil || r.g != nil {
		return r.g, err
	}
	switch c, t := r.c, currentTree(); {
	case t == nil || t != c.tree.Load() || c.life.Load() != lifeStarted:
		return &Greenlet{c: c}, nil // a temporary one, for a query or an error: only the tree's own goroutine may make the user's
	case c == t.current.c:
		return t.current, nil
	default:
		return c.userRef(), nil
	}
}

// parentOf is greenletOf for a greenlet that is to become a parent. A parent is stored, so it
// must not be a temporary Greenlet.
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

// makeForC writes to *out a reference to a new greenlet, which newGreenlet makes with the options
// that C has given. A size above the limit stays above it, and is cut so that it fits into an int.
func makeForC(out **C.greenlet, parent *C.greenlet, size C.size_t, newGreenlet func(opts ...Option) *Greenlet) C.int {
	opts := []Option{WithStackSize(int(min(size, C.size_t(maxStackSize)+1)))}
	if parent != nil {
		p, err := parentOf("greenlet_new", parent)
		if err != nil {
			return reportError(err)
		}
		opts = append(opts, WithParent(p))
	}
	*out = newReference(newGreenlet(opts...))
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
		case m.kind == kindGoexit: // the Goexit goes on if the body returns this code
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

// carryHere is greenlet_carry: the calling greenlet, the root, and all greenlets that start later
// on this thread carry the variable.
func carryHere(at unsafe.Pointer, size uintptr) error {
	t, err := ownTree()
	if err != nil {
		return err
	}
	if t.free.Load() { // a thread-local variable needs a tree that is bound to a thread
		if err := t.bindToThread(); err != nil {
			return err
		}
		if t.free.Load() {
			return errNotBound
		}
	}
	slots := []tlsSlot{{at, size}}
	if !slices.Contains(t.th.slots, slots[0]) {
		t.th.slots = append(t.th.slots, slots[0])
	}
	addSlots(t.current.c.coro, slots)
	if t.current != t.root {
		addSlots(t.root.c.coro, slots)
	}
	return nil
}
