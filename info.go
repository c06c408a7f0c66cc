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

// Info is what there is to know of a greenlet at one time.
type Info struct {
	ID, Parent, Root uint64 // numbers; 0: none. Root is the tree's that it belongs to, once it does
	Name             string
	State            State
	Thread           int           // the OS thread's ID; 0: none yet
	Created          time.Time     // zero unless DetailCreation was set when it was made
	CreatedAt        runtime.Frame // the user's frame that called New (or Pull, ...); likewise
	SuspendedAt      runtime.Frame // the user's frame that called Switch (or yield, next, ...); zero unless suspended, and but for the engine of one M
	Since            time.Duration // in this state; 0 unless DetailTimes is set and was at its last switch
	Switches         uint64        // how often it was switched to
	CStack           int           // size in bytes of the C stack that it owns now; 0: none, or not the engine of one M
	CStackUsed       int           // how many bytes of that its suspended frames take
}

// Info says what g does. Any goroutine may call it, and nobody is stopped. What changes
// meanwhile is told as it was at one time or another.
func (g *Greenlet) Info() Info {
	if !g.valid() {
		return Info{State: Dead}
	}
	return g.c.info(g.State)
}

// state is Greenlet.State.
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
		var pcs [len(prefix{})]uintptr
		for range maxPeeks {
			p, running, steady := c.steadyPeek(pcs[:])
			if !steady {
				runtime.Gosched()
				continue
			}
			if running {
				break
			}
			if p.State == gort.SnapshotWaiting {
				if p.Stack != 0 {
					i.CStack, i.CStackUsed = p.Stack, p.Used
				}
				i.SuspendedAt = placeOf(pcs[:p.N], c)
			} else if p.State == gort.SnapshotBusy || p.State == gort.SnapshotRunning { // between two states
				runtime.Gosched()
				continue
			}
			break
		}
		// It may have gone on since it was asked; what does not belong together is left out.
		if now := state(); now != Suspended {
			i.State, i.SuspendedAt, i.CStack, i.CStackUsed = now, runtime.Frame{}, 0, 0
		}
	}
	return i
}

// A prefix is the innermost addresses of a stack.
type prefix [12]uintptr

// places remembers which of the user's places a stack is at: there are few of them, and to
// find one takes much longer than to look at the stack.
var places struct {
	mu sync.Mutex
	m  map[prefix]runtime.Frame
}

// placeOf is the user's place in a stack of which pcs are the innermost addresses: a
// suspended greenlet's, or if c is nil a creation's.
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

// findPlace is placeOf for one that is not known.
func findPlace(key prefix, n int, c *core) runtime.Frame {
	f, found := place.User(bodyFrames(key[:n]))
	if !found && c != nil { // deeper
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

// Dump writes for people what all greenlets of the process do, one tree after the other.
// Each greenlet is below its parent, with its name, its state, where it waits, for how long
// (if DetailTimes is set) and how often it was switched to. Any goroutine may call it.
func Dump(w io.Writer) error {
	out := bufio.NewWriter(w)
	fmt.Fprintf(out, "greenlets, %s\n", Runtime())
	for _, t := range allTrees() {
		t.dump(out)
	}
	return out.Flush() // it has the first error
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
	fmt.Fprintf(out, "\nthe tree of %s, thread %d: %d greenlets\n", nameAndID(t.root.c.nameText(), t.root.c.id), t.tid.Load(), len(cores))
	written := map[*core]bool{}
	var line func(c *core, depth int)
	line = func(c *core, depth int) {
		if written[c] {
			return
		}
		written[c] = true
		i := c.info(c.state)
		if i.State == Dead {
			return
		}
		text := fmt.Sprintf("%s%s", strings.Repeat("  ", min(depth, maxIndent)), nameAndID(i.Name, i.ID))
		fmt.Fprintf(out, "%-32s %-9s", text, i.State)
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
			line(child, depth+1)
		}
	}
	line(t.root.c, 0)
	for _, c := range cores { // the parents of some have changed meanwhile, or the root has ended
		line(c, 1)
	}
}

// maxIndent is how far Dump indents: what is below that is as deep, at least.
const maxIndent = 20
