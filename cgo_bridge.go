//go:build cgo && linux

package greenlet

/*
#cgo CFLAGS: -I${SRCDIR}/csrc
#define GLET_GO_CALL // not weak, since Go defines these functions; see go_calls.h
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

// Addresses are numbers here, since cgo checks each pointer argument at run time.
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

// The body of a coroutine that is made for its stack alone, which the engine of one M puts in place.
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
extern void _cgo_release_context(size_t context); // of runtime/cgo
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

// This file has the calls from Go to C. callbacks.go has those from C to Go.

// defaultStackSize is the size of a C stack in bytes, unless WithStackSize says otherwise;
// csrc/coro.h has the reasons.
const defaultStackSize = C.GLET_STACK_DEFAULT

// The build fails unless maxStackSize, which builds without C have, too, is the C core's limit.
var _ [0]struct{} = [maxStackSize - C.GLET_STACK_MAX]struct{}{}

// slotOffset is the distance in bytes of the first of the two thread-local words from the thread
// pointer. slotTree and slotThread are their numbers.
var slotOffset = uintptr(C.glet_go_local_offset())

// This gives package gort the functions that it needs of this one, and the C core those that it
// needs of the runtime and of Go.
func init() {
	gort.ReleaseContext = releaseContext
	gort.OfThread = func() (*gort.Thread, error) {
		th, err := threadHere()
		if err != nil {
			return nil, err
		}
		th.raceAcquire()
		th.tiedTree.Store(currentTree()) // for endTiedTree, when the thread ends
		return th.carrier, nil
	}
	bound, bindm := gort.Hooks()
	C.bridge_init(bound, bindm)
	gort.SetHooks(C.glet_go_m_getstackbound(), C.glet_go_m_bindm())
	C.glet_greenlet_ready()
}

// findSlot finds the thread-local word in which Go keeps g, and verifies it on a second thread. It
// runs before the first root is made and not at init, so that a program that only imports the
// package does not pay for that thread.
var findSlot = sync.OnceValue(func() error {
	checkHere := func(find bool) (ok bool) { // on the calling thread
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		var g uintptr
		gort.CgoCall(C.glet_go_g, unsafe.Pointer(&g))
		if find && C.bridge_find_slot(C.intptr_t(gort.GSlot()), C.uintptr_t(g)) != C.GLET_OK {
			return false
		}
		return C.bridge_verify_slot(C.uintptr_t(g)) == C.GLET_OK && gort.GSlotHoldsG()
	}
	runtime.LockOSThread() // so that the second goroutine runs on another thread
	defer runtime.UnlockOSThread()
	ok := checkHere(true)
	second := make(chan bool)
	go func() { second <- checkHere(false) }()
	if !<-second || !ok {
		return errors.New(text(C.GLET_EWORD))
	}
	return nil
})

// withC are the candidates of this build that come before those of withoutC.
var withC = [2]candidate{{"one-m", "one M", tryOneM}, {"portable", "portable", tryPortable}}

// tryOneM checks the runtime's structs (gort.OneM), and then makes switches with a record of the
// calling thread.
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
	ok, details := gort.OneM(uintptr(C.glet_go_slot_offset()))
	if !ok {
		return nil, "", errors.New(details)
	}
	th := gort.NewThread(&stacks, currentAddress(), uintptr(currentNative()), uintptrOf(threadExceptions()))
	if err := th.Try(); err != nil {
		return nil, "", fmt.Errorf("a switch failed: %w", err)
	}
	return oneMEngine{}, details + explainOverflows(), nil
}

// tryPortable needs no more than the place of g, and makes no switch.
func tryPortable() (switcher, string, error) {
	if err := findSlot(); err != nil {
		return nil, "", err
	}
	return portableEngine{}, explainOverflows(), nil
}

// explainOverflows lets the C core name the greenlet whose C stack overflows. If that cannot be
// done, greenlets work without it, and the result is what Runtime's report says of it.
func explainOverflows() (report string) {
	layout := C.glet_name_layout{
		tree_current: C.size_t(unsafe.Offsetof(tree{}.current)), greenlet_core: C.size_t(unsafe.Offsetof(Greenlet{}.c)),
		core_name: C.size_t(unsafe.Offsetof(core{}.name)), core_id: C.size_t(unsafe.Offsetof(core{}.id)),
	}
	if errno := C.glet_go_explain_overflows(&layout); errno != 0 {
		return fmt.Sprintf("; stack overflows will not be explained: %v", syscall.Errno(errno))
	}
	return ""
}

// Backend names the code by which the C core switches its own stacks: "amd64", "arm64" or
// "riscv64" for assembly, "ucontext" for the C library's functions, and "none" in a build without
// the C core.
func Backend() string { return C.GoString(C.glet_backend()) }

// text is the meaning of a code of the C core.
func text(code C.int) string { return C.GoString(C.glet_text(code)) }

// switchNative suspends the running coroutine of the C core and resumes another one of its
// thread. It returns when the first one is resumed. To the runtime it is a call of C.
func switchNative(to native) {
	if code := gort.CgoCall(C.glet_coro_switch_alike, to.pointer()); code != C.GLET_OK {
		panic("greenlet: internal error: switch refused: " + text(C.int(code)))
	}
}

func (c native) pointer() unsafe.Pointer { return *(*unsafe.Pointer)(unsafe.Pointer(&c)) }

// currentNative is the C core's coroutine that runs on the calling thread.
func currentNative() native { return native(C.bridge_current()) }

// currentAddress is the address of the C core's thread-local word that names that coroutine. The
// engine of one M writes the word when it puts another C stack in place.
func currentAddress() uintptr { return uintptr(C.bridge_current_address()) }

// errNoStack is the error of a C stack that could not be made. It unwraps to the system's error.
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

// newNative makes the coroutine of a worker of the portable engine, which h names.
func newNative(size int, h handle.Handle) (native, error) {
	defer keepErrno()()
	var c C.uintptr_t
	code, errno := C.bridge_worker_new(&c, C.size_t(size), C.uintptr_t(h))
	if code != C.GLET_OK {
		return 0, errNoStack(size, code, errno)
	}
	return native(c), nil
}

// stackReach is how many bytes of the guard below a C stack belong to the bounds that the runtime
// is told. If C has left too little of the stack for the runtime's own code, that code then
// runs into the guard as C would, which is explained with the greenlet's name. With exact bounds
// it would stop before the guard with "morestack on g0" (morestack in asm_*.s, badmorestackg0 in
// proc.go). The rest of the guard is for functions that do not compare the bounds.
const stackReach = C.GLET_STACK_GUARD * 3 / 4

// newStack makes a C stack for the engine of one M, and returns its bounds and the address of its
// record in the C core.
func newStack(size int) (lo, hi, record uintptr, err error) {
	defer keepErrno()()
	var c, l, h C.uintptr_t
	if code, errno := C.bridge_stack_new(&c, C.size_t(size), &l, &h); code != C.GLET_OK {
		return 0, 0, 0, errNoStack(size, code, errno)
	}
	return uintptr(l), uintptr(h), uintptr(c), nil
}

// releaseContext releases a context that runtime.SetCgoTraceback's function has made.
func releaseContext(context uintptr) { C.bridge_release_context(C.uintptr_t(context)) }

// freeStack frees the C stack of that record. It fails for the stack that is in place, on which
// the thread ends.
func freeStack(record uintptr) bool { return C.bridge_stack_free(C.uintptr_t(record)) == C.GLET_OK }

// stackUsed is how many bytes of a coroutine's C stack have been in use at most.
func stackUsed(c native) (int, error) {
	var n C.size_t
	if code, errno := C.bridge_stack_used(C.uintptr_t(c), &n); code != C.GLET_OK {
		return 0, fmt.Errorf("greenlet: cannot look at a stack: %s: %w", text(code), errno)
	}
	return int(n), nil
}

// trimStack gives the pages of an idle worker's C stack back, so that stackUsed counts from its
// next greenlet on. It keeps 8 KiB: the frames of the C core and of cgocallback take less than
// 2 KiB, and the runtime uses the rest from time to time.
func trimStack(c native) { C.bridge_trim_stack(C.uintptr_t(c), 8<<10) }

// retireNative switches to the coroutine of a worker that has been told to return. It returns when
// the worker has ended and its stack is freed.
func retireNative(c native) {
	if code := C.bridge_retire(C.uintptr_t(c)); code != C.GLET_OK {
		panic("greenlet: internal error: retire refused: " + text(code))
	}
}

// exceptions is the C++ runtime's record of the exceptions that a thread is handling; see
// csrc/exceptions.h. Each greenlet has its own, which are exchanged at a switch.
type exceptions C.struct_glet_exceptions

// keepErrno saves the thread's errno around a call of C that is made on behalf of suspended C
// frames: cgo sets errno to 0 before each call whose second result is errno.
func keepErrno() (restore func()) {
	errno := errnoAddress()
	saved := *errno
	return func() { *errno = saved }
}

// errnoAddress is the address of the calling thread's errno.
func errnoAddress() *int32 { return (*int32)(unsafe.Pointer(C.bridge_errno())) }

// threadExceptions is the calling thread's record; nil: there is no C++ in this program.
func threadExceptions() *exceptions { return (*exceptions)(C.bridge_exceptions()) }

// clear drops the exceptions of a greenlet that has ended: the catch blocks that would have
// ended them were on its stack and will not run.
func (e *exceptions) clear() {
	if e != nil && (e.caught != nil || e.uncaught != 0) {
		*e = exceptions{}
	}
}

// An attachment is a handle by which C refers to a value of Go, which it keeps alive.
type attachment = handle.Handle

// attach asks the C core to notify of the thread's end: by greenletThreadExit, or, for Go's
// threads on the engine of one M, by nextEndedThread. (On the portable engine a worker's M can be
// given back on its own thread only.)
func (th *thread) attach() error {
	if onLines.Load() {
		return nil
	}
	later := 0
	if oneM {
		later = 1
	}
	th.handle = handle.New(th)
	if code, errno := C.glet_go_thread_attach(C.uintptr_t(th.handle), C.int(later)); code != C.GLET_OK {
		return errors.Join(fmt.Errorf("greenlet: cannot watch for the thread's end: %s: %w", text(code), errno), th.handle.Delete())
	}
	return nil
}

func init() { threadsEnded = (*uint32)(&C.glet_go_threads_ended) }

// nextEndedThread takes one of the threads that threadsEnded counts, or returns nil.
func nextEndedThread() *thread {
	h := C.glet_go_thread_ended()
	if h == 0 {
		return nil
	}
	return mustValue[*thread](h)
}

// detach releases the handle of a thread that has ended.
func (th *thread) detach() {
	if onLines.Load() {
		return
	}
	if err := th.handle.Delete(); err != nil {
		panic(err)
	}
}

// loadSlot reads one of the two thread-local words, slotTree or slotThread. If the goroutine is
// not locked, it is the word of the thread on which the read happened (gort.LoadLocal).
func loadSlot(slot uintptr) unsafe.Pointer {
	if onLines.Load() {
		return lookupOwner(slot)
	}
	if gort.HasLocal {
		return gort.LoadLocal(slotOffset + slot*unsafe.Sizeof(slot))
	}
	return C.glet_go_local(C.int(slot))
}

// storeSlot writes one of them. The goroutine must be locked to its thread. The collector does
// not see the words: the thread's handle keeps alive what v points to.
func storeSlot(slot uintptr, v unsafe.Pointer) {
	if onLines.Load() {
		setOwner(slot, v)
		return
	}
	if gort.HasLocal {
		gort.StoreLocal(slotOffset+slot*unsafe.Sizeof(slot), v)
		return
	}
	C.bridge_local_set(C.int(slot), C.uintptr_t(uintptr(v))) // a number, since cgo's pointer check refuses v
}

// uintptrOf is the address of a record; 0: there is no C++ in this program.
func uintptrOf(e *exceptions) uintptr { return uintptr(unsafe.Pointer(e)) }
