package greenlet

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync"

	"github.com/go-greenlet/greenlet/internal/gort"
)

// A candidate is an engine that chooseEngine may choose.
type candidate struct {
	name   string // its name in GREENLET_RUNTIME
	report string // what Runtime's text begins with
	// try makes switches on the calling thread, and returns the engine with what Runtime is to
	// say of it, or why it cannot be used.
	try func() (e switcher, details string, err error)
}

// withoutC are the engines that every build has. They come after those of withC.
var withoutC = []candidate{{"coro", "coroswitch", tryCoro}, {"pull", "iter.Pull", tryPull}}

// chooseEngine sets engine to the first candidate that can be used, beginning with the one that
// GREENLET_RUNTIME names. It runs before the first root is made and not at init, so that a
// program that only imports the package does not pay for it. A goroutine that calls it meanwhile
// waits until the choice is made.
var chooseEngine = sync.OnceValue(func() error {
	candidates, reason := append(withC[:], withoutC...), ""
	if asked := os.Getenv("GREENLET_RUNTIME"); asked != "" && asked != "auto" {
		name := asked
		if name == "plain" { // its name in the first versions
			name = "portable"
		}
		first := 0
		for first < len(candidates) && candidates[first].name != name {
			first++
		}
		if reason = "GREENLET_RUNTIME=" + asked; first == len(candidates) {
			first, reason = 1, fmt.Sprintf("GREENLET_RUNTIME=%q is none of auto, one-m, portable (or plain), coro and pull", asked)
		}
		candidates = candidates[first:]
	}
	var refusals []error
	for _, c := range candidates {
		e, details, err := c.try()
		if err != nil {
			refusals = append(refusals, err)
			reason = err.Error()
			continue
		}
		engine = e
		_, isLines := e.(lineEngine)
		oneM = c.name == "one-m"
		onLines.Store(isLines || oneM && cStacks == nil)
		runtimeReport = strings.TrimSuffix(c.report+": "+reason, ": ")
		if oneM {
			runtimeReport = c.report + ": "
		}
		runtimeReport += details
		watchCollections()
		return nil
	}
	return fmt.Errorf("greenlet: %s/%s with %s: %w", runtime.GOOS, runtime.GOARCH, runtime.Version(), errors.Join(refusals...))
})

// runtimeReport is what Runtime returns. chooseEngine writes it once.
var runtimeReport string

// spareLocks is how many unmatched calls of UnlockOSThread a root, or a worker of the portable
// engine with all that it runs, survives on the engines other than oneMEngine.
const spareLocks = 1000

// lockThread is LockOSThread for a root, or a worker of the portable engine. Go ignores an
// unmatched UnlockOSThread (proc.go), so there are programs that have some. One of those must
// not undo the lock: a root's goroutine would leave the thread, and the next goroutine that runs
// there would be taken for a greenlet of its tree. So the count is raised out of reach: by
// gort.Pin, or by spareLocks.
func lockThread() {
	if onLines.Load() && keyedByGoroutine {
		return
	}
	runtime.LockOSThread()
	if oneM {
		gort.Pin()
		return
	}
	for range spareLocks {
		runtime.LockOSThread()
	}
}

// unlockThread undoes lockThread. The program's own calls of LockOSThread and UnlockOSThread in
// between count as they would have counted without it.
func unlockThread() {
	if onLines.Load() && keyedByGoroutine {
		return
	}
	if oneM {
		gort.Unpin()
	} else {
		for range spareLocks {
			runtime.UnlockOSThread()
		}
	}
	runtime.UnlockOSThread()
}

// Runtime returns a text that names the engine of this process, which switches its greenlets,
// and says why it was chosen, for people; if no engine can be used it is the text of the error.
// The rules of greenlets are the same on all engines, but for one: where the engine is not
// "one M", every root is locked to its thread, as in a Run, and no greenlet that was started
// leaves its goroutine. So next, stop and Resume are for the goroutine that was the first to
// call one of them; a forgotten greenlet ends at the next call of this package on its goroutine;
// and the greenlets that a goroutine leaves suspended when it ends are dead, and their deferred
// calls do not run.
//
// There are five engines, and the first one that can be used is chosen. The environment variable
// GREENLET_RUNTIME=one-m, portable (or plain), coro or pull makes the choice begin with that one.
//
// "one M: ..." is the usual engine on linux/amd64, arm64 and riscv64 with cgo. It knows the
// structs of the program's Go runtime and has checked them, and greenlets are goroutines on the M
// that their root runs on.
//
// "one M, without C: ..." is the same for programs without cgo, and on windows/amd64, where it
// was run under Wine only. WithStackSize has no effect there. Go has no notification of the
// end of a thread: if a tree is locked to its thread, the greenlets that are suspended when its
// goroutine ends are dead and stay in memory. A greenlet cannot be suspended in a callback from
// Windows that began after its root: a Switch there is an error and changes nothing.
//
// "portable: ..." is for all other cases with cgo on Linux: a Go version or a CPU that is not
// known, a check that failed, a build with ucontext or for AddressSanitizer. To the runtime each
// greenlet is a thread that C created, and nothing is known of the runtime's structs. The
// differences are these:
//
//   - Switches are slower: each is a call of C, after which the greenlet that is resumed needs a
//     P again, and has to wait for one while other goroutines keep all processors busy.
//   - Greenlets that are given up stay in memory with their stacks: those that are
//     suspended when their thread ends, and those that end by [runtime.Goexit]. Fibers of
//     C libraries on which Go functions are suspended cannot be freed.
//   - An execution trace cannot be read if a thread runs greenlets during it, or has run some
//     before.
//   - CPU profiles count a thread's time once for each greenlet that has run C code meanwhile.
//   - A preemption signal for a greenlet can arrive while another greenlet of its thread runs.
//     Then no second signal is sent, and a loop without calls in the greenlet delays stops of
//     the world until the loop ends.
//   - Greenlets that start on many threads at once may wait for each other: each needs an
//     extra M, of which the runtime keeps one ready.
//   - A root survives a thousand unmatched calls of [runtime.UnlockOSThread], and no more.
//
// "coroswitch: ..." is for all other programs without cgo, and for all other systems, on
// any CPU and with any version of Go. Greenlets are coroutines of the Go runtime, as those of
// iter.Pull are, and the engine relies on three functions only, which it finds by name. The
// differences are these:
//
//   - A greenlet cannot be suspended in a callback from C (or from Windows) that began after its
//     root, or after the calls around it: a Switch there is an error and changes nothing.
//   - Go has no notification of the end of a thread, so greenlets that are suspended when their
//     root's goroutine ends stay in memory. They are dead all the same.
//   - A root survives a thousand unmatched calls of [runtime.UnlockOSThread], and no more.
//   - In WebAssembly, where there are no threads, a root is not locked to one, and the body
//     of an iter.Pull is a goroutine of its own, which does not belong to its caller's tree.
//   - WithStackSize has no effect: there are no C stacks.
//
// "iter.Pull: ..." is the same by the functions of package iter only, for the case that one of
// the three is not found. There, greenlets that are given up always stay in memory.
func Runtime() string {
	if err := chooseEngine(); err != nil {
		return err.Error()
	}
	return runtimeReport
}
