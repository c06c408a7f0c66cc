package gort

import "slices"

//lint:file-ignore U1000 staticcheck does not read assembly

// C stacks: what is put into an M's g0, and the unused ones that a thread keeps.

// A CStack is what an M's g0 has while C code, and the runtime's own, runs on a stack.
type CStack struct {
	lo, hi         uintptr // the first four as in runtime.g
	guard0, guard1 uintptr
	base           uintptr // g0.sched.sp while there are no C frames on it
	native         uintptr // the C core's record; its first word has g0.sched.sp while it is not in place
	size           int     // as asked for
	room           int     // how large it is; lo may be lower. 0: it is a thread's own, and whoever has it does not own it
	pc, exitSP     uintptr // under a free tree: g0.sched.pc, and of a thread's own, where the thread ends
}

// Native is the C core's record of the stack.
func (s *CStack) Native() uintptr { return s.native }

// Stacks makes and frees C stacks; the C core does.
type Stacks struct {
	New func(size int) (lo, hi, native uintptr, err error)
	// Reach is how far below lo the bounds reach that the runtime gets to know.
	Reach uintptr
	Free  func(native uintptr) bool // false: it is in place as its thread ends, and stays
	Trim  func(native uintptr)      // before the stack is used again
	// Leave makes the stack its own again if a fiber is in its place (csrc/fiber.h): it
	// writes the four words of the bounds, and returns the goroutine. 0: there is none.
	Leave func(native uintptr, bounds *uintptr) uintptr
}

func (t *Thread) setPlain(s *CStack) {
	t.plain, t.inPlace, t.base = s, s, s.base
}

// stack takes an unused C stack, or makes one.
func (t *Thread) stack(size int) (*CStack, error) {
	for i := len(t.spare) - 1; i >= 0; i-- {
		if s := t.spare[i]; s.size == size {
			last := len(t.spare) - 1
			t.spare[i] = t.spare[last]
			t.spare[last] = nil
			t.spare = t.spare[:last]
			t.stacks.Trim(s.native)
			return s, nil
		}
	}
	lo, hi, native, err := t.stacks.New(size)
	if err != nil {
		return nil, err
	}
	s := &CStack{lo: lo - t.stacks.Reach, hi: hi, native: native, size: size, room: int(hi - lo)}
	s.guard0 = s.lo + stackGuard
	s.guard1 = s.guard0
	// The highest words are the C core's; the rest is room, as mstart leaves it.
	s.base = hi - 128
	*at[uintptr](native) = s.base
	return s, nil
}

// releaseStack takes a C stack on which nothing will run again.
func (t *Thread) releaseStack(s *CStack) {
	*at[uintptr](s.native) = s.base
	t.spare = append(t.spare, s)
}

// Ready makes sure that from, the running coroutine, can be suspended: if it has C frames
// it keeps the stack in place, and the next one may need another.
func (t *Thread) Ready(from *Coro) error {
	if t.stacks == nil {
		return nil
	}
	if t.free {
		return t.readyFree()
	}
	keeps := !from.root && t.inC() // the stack in place
	if !from.root && !keeps || t.plain != nil && !(keeps && t.plain == t.inPlace) {
		return nil
	}
	if slices.ContainsFunc(t.spare, func(s *CStack) bool { return s.size == 0 }) {
		return nil
	}
	s, err := t.stack(0)
	if err != nil {
		return err
	}
	t.spare = append(t.spare, s)
	return nil
}

// InCallback says, where there are no C stacks, whether the caller is in a call from C, or from
// Windows, that began after Enter. (There can be such without cgo, too: syscall.NewCallback.)
//
//go:norace
func (t *Thread) InCallback() bool {
	m := *at[uintptr](getg() + gM)
	if t.free { // its goroutine was not locked, so it was in no such call
		return *at[int32](m + mNcgo) > 0
	}
	return *at[uintptr](*at[uintptr](m + mG0) + gSchedSP) != t.sp
}

// inC says whether the running greenlet has C frames.
//
//go:norace
func (t *Thread) inC() bool {
	m := *at[uintptr](getg() + gM)
	return *at[uintptr](*at[uintptr](m + mG0) + gSchedSP) != t.inPlace.base
}

// Spare is how many unused C stacks there are, but for the plain one.
func (t *Thread) Spare() int { return len(t.spare) }

// Trim frees the unused C stacks but for keep, and with none to be kept the plain one,
// too; then no coroutine may be left.
func (t *Thread) Trim(keep int) {
	if keep > 0 && len(t.spare) > keep { // one that Ready has taken is to stay
		if i := slices.IndexFunc(t.spare, func(s *CStack) bool { return s.size == 0 }); i > 0 {
			t.spare[0], t.spare[i] = t.spare[i], t.spare[0]
		}
	}
	for len(t.spare) > keep {
		last := len(t.spare) - 1
		t.stacks.Free(t.spare[last].native)
		t.spare[last] = nil
		t.spare = t.spare[:last]
	}
	if t.stacks == nil {
		return
	}
	if keep == 0 && t.plain != nil {
		t.stacks.Free(t.plain.native)
		t.plain, t.inPlace, t.base = nil, nil, 0
	}
	if keep == 0 && t.installed != nil && t.installed != &t.own { // its thread has ended
		t.stacks.Free(t.installed.native)
		t.installed = nil
	}
}
