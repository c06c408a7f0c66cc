//go:build cgo && linux

package greenlet

/*
#cgo CFLAGS: -I${SRCDIR}/csrc
#define GLET_GO_CALL // strong; see there
#include "coro_internal.h"
#include "exceptions.h"
#include "go_calls.h"
#include "go_m.h"
#include "go_overflow.h"
#include "go_slot.h"
#include "go_thread.h"
#include "go_worker.h"
#include "greenlet_internal.h"
#include <errno.h>

static void bridge_init(void *getstackbound, void *bindm) { glet_go_m_init(getstackbound, bindm, greenletReady); }

// Plain numbers cost no pointer checks on the way.
static int bridge_find_slot(intptr_t hint, uintptr_t g) { return glet_go_slot_find(hint, (void *)g); }
static int bridge_verify_slot(uintptr_t g) { return glet_go_slot_verify((void *)g); }
static void bridge_local_set(int i, uintptr_t v) { glet_go_local_set(i, (void *)v); }
static int bridge_retire(uintptr_t c) { return glet_go_worker_retire((glet_coro *)c); }
static int bridge_stack_used(uintptr_t c, size_t *out) { return glet_coro_stack_used((glet_coro *)c, out); }
static void bridge_trim_stack(uintptr_t c, size_t keep) { glet_coro_trim_stack((glet_coro *)c, keep); }
static struct glet_exceptions *bridge_exceptions(void) { return glet_coro_exceptions(); }
static uintptr_t bridge_current(void) { return (uintptr_t)glet_coro_current(); }
static int *bridge_errno(void) { return &errno; }
static uintptr_t bridge_current_address(void) { return (uintptr_t)glet_coro_current_address(); }

// A coroutine for its stack alone, where another engine puts it in place.
static glet_coro *not_run(void *arg)
{
    (void)arg;
    return NULL;
}
static int bridge_stack_new(uintptr_t *out, size_t size, uintptr_t *lo, uintptr_t *hi)
{
    glet_coro *c;
    int code = glet_coro_new(&c, size, not_run, NULL);
    if (code != GLET_OK)
        return code;
    void *l, *h;
    glet_coro_bounds(c, &l, &h);
    *lo = (uintptr_t)l;
    *hi = (uintptr_t)h;
    *out = (uintptr_t)c;
    return GLET_OK;
}
extern void _cgo_release_context(size_t context); // runtime/cgo's
static void bridge_release_context(uintptr_t context) { _cgo_release_context(context); }
static int bridge_stack_free(uintptr_t c) { return glet_coro_free((glet_coro *)c); }
static int bridge_worker_new(uintptr_t *out, size_t size, uintptr_t worker)
{
    return glet_go_worker_new((glet_coro **)out, size, worker);
}

#cgo noescape bridge_worker_new
#cgo nocallback bridge_worker_new
#cgo noescape bridge_stack_new
#cgo nocallback bridge_stack_new
*/
import "C"

import (
	"errors"
	"fmt"
	"runtime"
	"sync"
	"syscall"
	"unsafe"

	_ "github.com/go-greenlet/greenlet/csrc" // the C core
	"github.com/go-greenlet/greenlet/internal/gort"
	"github.com/go-greenlet/greenlet/internal/handle"
)

// This file holds the calls from Go to C. callbacks.go has those from C to Go.

// Sizes of a C stack; csrc/coro.h has the reasons.
const defaultStackSize = C.GLET_STACK_DEFAULT

var _ [0]struct{} = [maxStackSize - C.GLET_STACK_MAX]struct{}{}

// slotOffset is where the two thread-local words of wordTree and wordThread are.
var slotOffset = uintptr(C.glet_go_local_offset())

func init() {
	gort.ReleaseContext = releaseContext
	gort.OfThread = func() (*gort.Thread, error) {
		th, err := threadHere()
		if err != nil {
			return nil, err
		}
		th.raceAcquire()
		th.tiedTree.Store(currentTree())
		return th.one, nil
	}
	bound, bindm := gort.Hooks()
	C.bridge_init(bound, bindm)
	gort.SetHooks(C.glet_go_m_getstackbound(), C.glet_go_m_bindm())
	C.glet_greenlet_ready()
}

// findSlot finds and verifies g's place in thread-local memory. It runs before the first root is made
// and not at init: it needs a second thread, and a program that merely imports the package
// should not pay for one.
var findSlot = sync.OnceValue(func() error {
	check := func(find bool) (ok bool) {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		var g uintptr
		gort.CgoCall(C.glet_go_g, unsafe.Pointer(&g))
		if find && C.bridge_find_slot(C.intptr_t(gort.GSlot()), C.uintptr_t(g)) != C.GLET_OK {
			return false
		}
		return C.bridge_verify_slot(C.uintptr_t(g)) == C.GLET_OK && gort.GSlotHoldsG()
	}
	runtime.LockOSThread() // so that the second goroutine gets a second thread
	defer runtime.UnlockOSThread()
	ok := check(true)
	second := make(chan bool)
	go func() { second <- check(false) }()
	if !<-second || !ok {
		return errors.New(text(C.GLET_EWORD))
	}
	return nil
})

// withC are the engines that need the C core.
var withC = [2]candidate{{"one-m", "one M", tryOneM}, {"portable", "portable", tryPortable}}

func tryOneM() (switcher, string, error) {
	switch {
	case asanEnabled:
		return nil, "", errors.New("built for AddressSanitizer")
	case Backend() == "ucontext":
		return nil, "", errors.New("built with ucontext")
	}
	if err := findSlot(); err != nil {
		return nil, "", err
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	ok, why := gort.OneM(uintptr(C.glet_go_slot_offset()))
	if !ok {
		return nil, "", errors.New(why)
	}
	th := gort.NewThread(&stacks, currentAddress(), uintptr(currentNative()), uintptrOf(threadExceptions()))
	if err := th.Try(); err != nil {
		return nil, "", fmt.Errorf("a switch failed: %w", err)
	}
	return oneMEngine{}, why + explainOverflows(), nil
}

func tryPortable() (switcher, string, error) {
	if err := findSlot(); err != nil {
		return nil, "", err
	}
	return portableEngine{}, explainOverflows(), nil
}

// explainOverflows has overflows of C stacks explained, and returns what is to be said if
// that cannot be: no reason to do without greenlets.
func explainOverflows() (report string) {
	at := C.glet_name_layout{
		tree_current: C.size_t(unsafe.Offsetof(tree{}.current)), greenlet_core: C.size_t(unsafe.Offsetof(Greenlet{}.c)),
		core_name: C.size_t(unsafe.Offsetof(core{}.name)), core_id: C.size_t(unsafe.Offsetof(core{}.id)),
	}
	if e := C.glet_go_explain_overflows(&at); e != 0 {
		return fmt.Sprintf("; stack overflows will not be explained: %v", syscall.Errno(e))
	}
	return ""
}

// Backend names what switches the C core's own stacks: "amd64", "arm64", "riscv64", "ucontext", or
// "none" in a build without it.
func Backend() string { return C.GoString(C.glet_backend()) }

func text(code C.int) string { return C.GoString(C.glet_text(code)) }

// switchNative suspends the running coroutine and goes on with another one of its
// thread. It returns when somebody has switched back. To the runtime it is a call of C.
func switchNative(to native) {
	if code := gort.CgoCall(C.glet_coro_switch_alike, to.pointer()); code != C.GLET_OK {
		panic("greenlet: internal error: switch refused: " + text(C.int(code)))
	}
}

func (c native) pointer() unsafe.Pointer { return *(*unsafe.Pointer)(unsafe.Pointer(&c)) }

// currentNative is the thread's coroutine that runs now.
func currentNative() native { return native(C.bridge_current()) }

// currentAddress is the address of the C core's word that says so.
func currentAddress() uintptr { return uintptr(C.bridge_current_address()) }

// errNoStack says why a stack could not be had. It unwraps to the system's error.
func errNoStack(size int, code C.int, errno error) error {
	hint := ""
	switch {
	case code == C.GLET_ESIZE:
		errno = syscall.EINVAL
	case code == C.GLET_EGUARD && errors.Is(errno, syscall.ENOMEM):
		hint = "; before Linux 6.13 every stack takes two mappings: raise vm.max_map_count, or end some greenlets"
	default:
		hint = "; end some greenlets, ask for smaller stacks, or raise the limit (ulimit -v, the container's memory)"
	}
	if size == 0 {
		size = defaultStackSize
	}
	return fmt.Errorf("greenlet: cannot make a stack of %d bytes: %s: %w%s", size, text(code), errno, hint)
}

func newNative(size int, h handle.Handle) (native, error) {
	defer keepErrno()()
	var c C.uintptr_t
	code, errno := C.bridge_worker_new(&c, C.size_t(size), C.uintptr_t(h))
	if code != C.GLET_OK {
		return 0, errNoStack(size, code, errno)
	}
	return native(c), nil
}

// stackReach is how far the bounds that the runtime gets to know of a C stack reach into the
// guard below: its own code there, if C has left too little, is to run into the guard as C's
// would, which is explained, and not to stop before it with "morestack on g0", which names
// nobody (morestack in asm_*.s, badmorestackg0 in proc.go). What is left of the guard is room for a function that does not look at the bounds.
const stackReach = C.GLET_STACK_GUARD * 3 / 4

// newStack makes a C stack that the engine of one M puts in place.
func newStack(size int) (lo, hi, record uintptr, err error) {
	defer keepErrno()()
	var c, l, h C.uintptr_t
	if code, errno := C.bridge_stack_new(&c, C.size_t(size), &l, &h); code != C.GLET_OK {
		return 0, 0, 0, errNoStack(size, code, errno)
	}
	return uintptr(l), uintptr(h), uintptr(c), nil
}

// releaseContext gives back a context of runtime.SetCgoTraceback.
func releaseContext(context uintptr) { C.bridge_release_context(C.uintptr_t(context)) }

// freeStack frees one. It fails for the stack that is in place: its thread ends on it.
func freeStack(record uintptr) bool { return C.bridge_stack_free(C.uintptr_t(record)) == C.GLET_OK }

// stackUsed is how deep the C stack of a coroutine has been used, in bytes.
func stackUsed(c native) (int, error) {
	var n C.size_t
	if code, errno := C.bridge_stack_used(C.uintptr_t(c), &n); code != C.GLET_OK {
		return 0, fmt.Errorf("greenlet: cannot look at a stack: %s: %w", text(code), errno)
	}
	return int(n), nil
}

// trimStack lets stackUsed of an idle worker begin anew. Its frames there are those of
// the core and of cgocallback, below 2 KiB; the rest of what is kept, the runtime uses
// from time to time.
func trimStack(c native) { C.bridge_trim_stack(C.uintptr_t(c), 8<<10) }

func retireNative(c native) {
	if code := C.bridge_retire(C.uintptr_t(c)); code != C.GLET_OK {
		panic("greenlet: internal error: retire refused: " + text(code))
	}
}

// exceptions has the C++ exceptions that the running coroutine of a thread handles.
type exceptions C.struct_glet_exceptions

// keepErrno is for what is done while C waits, and calls C: cgo sets errno to 0 where it is asked for.
func keepErrno() (restore func()) {
	at := errnoAddress()
	e := *at
	return func() { *at = e }
}

// errnoAddress is where the calling thread's errno is.
func errnoAddress() *int32 { return (*int32)(unsafe.Pointer(C.bridge_errno())) }

// threadExceptions returns the calling thread's; nil: there is no C++ in this program.
func threadExceptions() *exceptions { return (*exceptions)(C.bridge_exceptions()) }

// clear forgets them: whoever was to end them never will.
func (e *exceptions) clear() {
	if e != nil && (e.caught != nil || e.uncaught != 0) {
		*e = exceptions{}
	}
}

// An attachment keeps what C has a reference to.
type attachment = handle.Handle

// attach makes the thread's end known to greenletThreadExit.
func (th *thread) attach() error {
	if onLines.Load() {
		return nil
	}
	elsewhere := 0
	if oneM { // on the other one a worker's M can be given back on its own thread only
		elsewhere = 1
	}
	th.handle = handle.New(th)
	if code, errno := C.glet_go_thread_attach(C.uintptr_t(th.handle), C.int(elsewhere)); code != C.GLET_OK {
		return errors.Join(fmt.Errorf("greenlet: cannot watch for the thread's end: %s: %w", text(code), errno), th.handle.Delete())
	}
	return nil
}

// detach forgets it: it has ended.
func (th *thread) detach() {
	if onLines.Load() {
		return
	}
	if err := th.handle.Delete(); err != nil {
		panic(err)
	}
}

// loadSlot reads one of the thread's two words; see gort.LoadLocal.
func loadSlot(word uintptr) unsafe.Pointer {
	if onLines.Load() {
		return lookupOwner(word)
	}
	if gort.HasLocal {
		return gort.LoadLocal(slotOffset + word*unsafe.Sizeof(word))
	}
	return C.glet_go_local(C.int(word))
}

// storeSlot writes one of them. The goroutine must be locked to its thread, and
// what v points to is kept alive by the thread's handle.
func storeSlot(word uintptr, v unsafe.Pointer) {
	if onLines.Load() {
		setOwner(word, v)
		return
	}
	if gort.HasLocal {
		gort.StoreLocal(slotOffset+word*unsafe.Sizeof(word), v)
		return
	}
	C.bridge_local_set(C.int(word), C.uintptr_t(uintptr(v))) // a number, since cgo's check allows no pointer
}

// uintptrOf is where they are; 0: there is no C++ in this program.
func uintptrOf(e *exceptions) uintptr { return uintptr(unsafe.Pointer(e)) }
