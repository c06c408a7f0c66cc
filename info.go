package greenlet

import (
	"bufio"
	"fmt"
	"io"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-greenlet/greenlet/internal/gort"
	"github.com/go-greenlet/greenlet/internal/place"
)

// Info describes a greenlet at one time.
type Info struct {
	ID, Parent, Root uint64 // numbers; 0: none. Root is that of the tree that the greenlet belongs to, once it does
	Name             string
	State            State
	Thread           int           // the OS thread's ID; 0: none, or the tree is bound to none
	Created          time.Time     // zero unless DetailCreation was set when it was made
	CreatedAt        runtime.Frame // the program's frame that called New (or Pull, ...); zero as Created is
	SuspendedAt      runtime.Frame // the program's frame that called Switch (or yield, next, ...); zero unless suspended, and on other engines than that of one M
	Since            time.Duration // how long it has been in this state; 0 unless DetailTimes is set and was at its last switch
	Switches         uint64        // how often it was switched to
	CStack           int           // size in bytes of the C stack that it owns now; 0: none, or not the engine of one M
	CStackUsed       int           // how many bytes of that its suspended frames take
}

// Info describes g. Any goroutine may call it, and it stops no other one. If g changes
// meanwhile, each field is right for some moment of the call.
func (g *Greenlet) Info() Info {
	if !g.valid() {
		return Info{State: Dead}
	}
	return g.c.info(g.State)
}

// state is Greenlet.State for a core.
func (c *core) state() State { return (&Greenlet{c: c}).State() }

func (c *core) info(state func() State) Info {
	i := Info{ID: c.id, Name: c.nameText(), State: state(), Switches: c.switchCount()}
	if p := c.parent.Load(); p != nil {
		i.Parent = p.c.id
	}
	t := c.tree.Load()
	if t != nil {
		i.Thread, i.Root = int(t.tid.Load()), t.root.c.id
	}
	if b := c.rareFields().birth; b != nil {
		i.Created, i.CreatedAt = b.at, placeOf(b.pcs[:], nil)
	}
	if since := atomic.LoadInt64(&c.rareFields().since); since != 0 && Detail(details.Load())&DetailTimes != 0 {
		i.Since = time.Duration(gort.Nanotime() - since)
	}
	if i.State == Suspended {
		pcs := prefixes.Get().(*prefix)
		defer prefixes.Put(pcs)
		for range maxPeeks {
			snapshot, running, steady := c.steadyPeek(pcs[:])
			if !steady {
				runtime.Gosched()
				continue
			}
			if running {
				break
			}
			if snapshot.State == gort.SnapshotWaiting {
				i.CStack, i.CStackUsed = snapshot.Stack, snapshot.Used
				i.SuspendedAt = placeOf(pcs[:snapshot.N], c)
			} else if snapshot.State == gort.SnapshotBusy || snapshot.State == gort.SnapshotRunning { // it is being switched, or the collector has it
				runtime.Gosched()
				continue
			}
			break
		}
		// c may have gone on since State was read: then where it was suspended is left out.
		if now := state(); now != Suspended {
			i.State, i.SuspendedAt, i.CStack, i.CStackUsed = now, runtime.Frame{}, 0, 0
		}
	}
	return i
}

// A prefix holds the innermost addresses of a stack, filled up with zeros.
type prefix [12]uintptr

// prefixes has those for peeks, which would be allocated each time: gort.Coro.Snapshot passes the
// address to runtime.gcallers by a function value, and for all that the compiler knows such a
// function keeps it.
var prefixes = sync.Pool{New: func() any { return new(prefix) }}

// places maps the prefix of a stack to its place in the program's code. There are few places,
// and to find one takes much longer than to read the addresses. mu guards m, which is nil until
// the first place was found.
var places struct {
	mu sync.Mutex
	m  map[prefix]runtime.Frame
}

// placeOf returns the innermost frame of the program's own on a stack whose innermost addresses
// are pcs: the stack of the suspended greenlet c, or, if c is nil, that of a creation.
func placeOf(pcs []uintptr, c *core) (f runtime.Frame) {
	var key prefix
	n := copy(key[:], pcs)
	places.mu.Lock()
	f, found := places.m[key]
	places.mu.Unlock()
	if found {
		return f
	}
	return findPlace(key, n, c)
}

// findPlace is placeOf for a prefix that is not in places.
func findPlace(key prefix, n int, c *core) runtime.Frame {
	f, found := place.User(bodyFrames(key[:n]))
	if !found && c != nil { // the program's frame is deeper than the prefix
		stack, _ := c.stackNow()
		f, _ = place.User(stack)
		return f
	}
	places.mu.Lock()
	defer places.mu.Unlock()
	if places.m == nil || len(places.m) > 10_000 {
		places.m = map[prefix]runtime.Frame{}
	}
	places.m[key] = f
	return f
}

// Dump writes for people to read what all greenlets of the process do, one tree after the other.
// Each greenlet is below its parent, with its name, its state, where it is suspended, for how
// long (if DetailTimes is set) and how often it was switched to. Any goroutine may call it.
func Dump(w io.Writer) error {
	out := bufio.NewWriter(w) // keeps the first error of its writes, and returns it from Flush
	fmt.Fprintf(out, "greenlets, %s\n", Runtime())
	for _, t := range allTrees() {
		t.dump(out)
	}
	return out.Flush()
}

func (t *tree) dump(out *bufio.Writer) {
	cores := t.living()
	below := map[*core][]*core{}
	lives := map[*core]bool{t.root.c: true}
	for _, c := range cores {
		lives[c] = true
	}
	for _, c := range cores {
		parent := t.root.c
		if p := c.parent.Load(); p != nil && lives[p.c] && p.c != c {
			parent = p.c
		}
		below[parent] = append(below[parent], c)
	}
	fmt.Fprintf(out, "\nthe tree of %s, %s: %d greenlets\n", nameAndID(t.root.c.nameText(), t.root.c.id), t.holder(), len(cores))
	written := map[*core]bool{}
	var writeLine func(c *core, depth int)
	writeLine = func(c *core, depth int) {
		if written[c] {
			return
		}
		written[c] = true
		i := c.info(c.state)
		if i.State == Dead {
			return
		}
		label := fmt.Sprintf("%s%s", strings.Repeat("  ", min(depth, maxIndent)), nameAndID(i.Name, i.ID))
		fmt.Fprintf(out, "%-32s %-9s", label, i.State)
		if i.SuspendedAt.Function != "" {
			fmt.Fprintf(out, " at %s:%d in %s", i.SuspendedAt.File, i.SuspendedAt.Line, i.SuspendedAt.Function)
		}
		if i.Since != 0 {
			fmt.Fprintf(out, " for %v", i.Since.Round(time.Microsecond))
		}
		if i.CStack != 0 {
			fmt.Fprintf(out, ", %d bytes of C stack", i.CStackUsed)
		}
		fmt.Fprintf(out, ", %d switches\n", i.Switches)
		for _, child := range below[c] {
			writeLine(child, depth+1)
		}
	}
	writeLine(t.root.c, 0)
	for _, c := range cores { // greenlets whose parents have changed meanwhile, and all if the root has ended
		writeLine(c, 1)
	}
}

// maxIndent is the number of levels that Dump indents; what is deeper is indented as far.
const maxIndent = 20
