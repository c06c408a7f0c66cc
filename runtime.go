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

// A candidate is an engine that may be usable.
type candidate struct {
	name   string // in GREENLET_RUNTIME
	report string // how Runtime's begins
	try    func() (e switcher, details string, err error)
}

var withoutC = []candidate{{"coro", "coroswitch", tryCoro}, {"pull", "iter.Pull", tryPull}}

// chooseEngine chooses the engine: the first one that can be used, from the one on that
// GREENLET_RUNTIME asks for. It runs before the first root is made and not at init, since a
// program that merely imports the package should not pay for it.
var chooseEngine = sync.OnceValue(func() error {
	candidates, why := append(withC[:], withoutC...), ""
	if asked := os.Getenv("GREENLET_RUNTIME"); asked != "" && asked != "auto" {
		name := asked
		if name == "plain" { // as it was called first
			name = "portable"
		}
		first := 0
		for first < len(candidates) && candidates[first].name != name {
			first++
		}
		if why = "GREENLET_RUNTIME=" + asked; first == len(candidates) {
			first, why = 1, fmt.Sprintf("GREENLET_RUNTIME=%q is none of auto, one-m, portable (or plain), coro and pull", asked)
		}
		candidates = candidates[first:]
	}
	var refusals []error
	for _, c := range candidates {
		e, details, err := c.try()
		if err != nil {
			refusals = append(refusals, err)
			why = err.Error()
			continue
		}
		engine = e
		_, yes := e.(lineEngine)
		oneM = c.name == "one-m"
		onLines.Store(yes || oneM && cStacks == nil)
		runtimeReport = strings.TrimSuffix(c.report+": "+why, ": ")
		if oneM {
			runtimeReport = c.report + ": "
		}
		runtimeReport += details
		watchCollections()
		return nil
	}
	return fmt.Errorf("greenlet: %s/%s with %s: %w", runtime.GOOS, runtime.GOARCH, runtime.Version(), errors.Join(refusals...))
})

// runtimeReport says how greenlets are run in this process, and why.
var runtimeReport string

// spareLocks is how many UnlockOSThreads too many a root stands on other engines than that
// of one M.
const spareLocks = 1000

// lockThread is LockOSThread for a root. Go ignores an UnlockOSThread that has no
// LockOSThread, so there are programs with one too many; a root's lock is not theirs to
// undo: its greenlets would stay behind, for whoever comes to the thread next.
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

// unlockThread takes lockThread back. What the program has locked or unlocked besides
// counts as it would have without.
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

// Runtime says, for people, how greenlets are run in this process, and why. The rules are
// the same everywhere, but for one: where it is not "one M", every root is locked to its thread,
// as in a Run, and nothing that was started leaves its goroutine. So next, stop and Resume are
// for the goroutine that was the first to call one; what is forgotten ends at the next call of
// this package there; and what a goroutine leaves behind is dead, without its deferred calls.
// There are five ways, of which the first one that can be used is taken;
// the environment variable GREENLET_RUNTIME=one-m, portable (or plain), coro or pull makes
// the choice begin with that one.
//
// "one M: ..." is the usual case on linux/amd64, arm64 and riscv64 with cgo: the insides of
// the program's Go runtime are known and have been checked, and greenlets are goroutines on
// the M that their root runs on.
//
// "one M, without C: ..." is the same for programs without cgo. WithStackSize has nothing to
// do there. And nobody is told of the end of a thread: greenlets that are suspended in a tree
// that is locked to its thread, as its goroutine ends, are dead and stay in memory.
//
// "portable: ..." is for all other cases with cgo on Linux: a version of Go or a CPU that is
// not known, a check that failed, a build with ucontext or for AddressSanitizer. There each
// greenlet is a thread of its own to the runtime, of whose structs nothing is known, with
// these differences:
//
//   - Switches are slower: each is a call of C, and while other goroutines keep all
//     processors busy, who goes on may have to wait for one.
//   - Greenlets that are given up stay in memory with their stacks: those that are
//     suspended as their thread ends, and those that end by [runtime.Goexit]. Fibers of
//     C libraries on which Go functions are suspended cannot be freed.
//   - An execution trace in which a thread runs greenlets, or has, cannot be read.
//   - CPU profiles count a thread's time for each greenlet that has run C code meanwhile.
//   - A signal to preempt a greenlet can come while another one of its thread runs. Then
//     none is sent to it again, and a loop without calls in it holds up stops of the
//     world for as long as it takes.
//   - Greenlets that start on many threads at once may wait for each other: each needs an
//     extra M, of which the runtime keeps one ready.
//   - A root stands a thousand calls of [runtime.UnlockOSThread] too many, and no more.
//
// "coroswitch: ..." is for all other programs without cgo, and for other systems than Linux, on
// any CPU and with any version of Go: greenlets are coroutines of the runtime's own, as an iter.Pull
// has them, and nothing is relied on but three functions, which are found by name. The
// differences:
//
//   - A greenlet cannot be left while it is in a callback from C (or from Windows) that began
//     after its root, or the calls around it, had begun: a Switch there is an error, and
//     nothing has been touched.
//   - Nobody is told of the end of a thread, so greenlets that are suspended as their root's
//     goroutine ends stay in memory. They are dead all the same.
//   - A root stands a thousand calls of [runtime.UnlockOSThread] too many, and no more.
//   - In WebAssembly, where there are no threads, a root is not locked to one, and the body
//     of an iter.Pull is a goroutine of its own: greenlets are switched to from outside.
//   - WithStackSize has nothing to do: there are no C stacks.
//
// "iter.Pull: ..." is the same by means of package iter only, should one of the functions not
// be found. There, greenlets that are given up stay in memory always.
func Runtime() string {
	if err := chooseEngine(); err != nil {
		return err.Error()
	}
	return runtimeReport
}
