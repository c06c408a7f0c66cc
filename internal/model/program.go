package model

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
)

// A Program is what the greenlets of one tree do, in the order in which they do
// it: whichever runs takes the next step.
type Program []Step

// A Step is an operation's letter and three digits, 0 to 7. The table below tells
// what they mean; slots are where the program keeps its greenlets, 0 is the root.
type Step struct {
	Op      byte
	A, B, C int
}

// ops lists the operations and how often Random takes each.
//
// C of s, t and k is the reaction, see reacts. An operation on an empty slot does
// nothing. r, e, p and x end a body, but not the root's; f ends the root's only.
// In a deferred call and in a tracer, r, e and f do nothing.
var ops = []struct {
	letter byte
	often  int
	text   string
}{
	{'n', 12, "new in slot A if that is free, parent B, of kind C"},
	{'s', 34, "switch to A with value B"},
	{'t', 12, "throw error B into A"},
	{'k', 10, "kill A"},
	{'P', 9, "set the parent of A to B (to nil, if B and C are 7)"},
	{'r', 7, "return value B"},
	{'e', 6, "return error B"},
	{'p', 4, "panic with B"},
	{'x', 1, "runtime.Goexit"},
	{'T', 4, "set the tracer A, see tracers"},
	{'f', 1, "the root's function ends: Goexit if A is 7, panic with B if A is 6, else error B if A is odd"},
}

// What digits stand for.
var (
	kinds    = [8]string{5: "deferred step", 6: "deferred step", 7: "no run function"}
	plain    = [8]string{6: "nil", 7: "ErrExit"} // the number of the step otherwise
	failures = [8]string{"err0", "err1", "err2", "err3", "ErrExit", "wrapped ErrExit", "nil", "err0+ErrExit"}
	panics   = [8]string{"0", "1", "err2", "err3", "ErrExit", "nil", "nil pointer", "wrapped ErrExit"}
	tracers  = [8]string{"off", "on", "on", "on", "on", "on, panics once", "on, takes a step once", "on, takes a step once"}
	reacts   = [8]string{
		"", // errors are ignored, panics recovered
		"",
		"errors: return; panics: recover and return",
		"errors: panic; panics: recover and return",
		"errors: return; panics: pass",
		"panics: pass",
		"errors: panic; panics: recover and panic again",
		"panics: pass",
	}
)

func (s Step) String() string {
	switch b := string('0' + byte(s.B)); s.Op {
	case 'n':
		return strings.TrimSpace(fmt.Sprintf("new %d, parent %s %s", s.A, b, kinds[s.C]))
	case 's':
		return fmt.Sprintf("switch %d %s; %s", s.A, plain[s.B], reacts[s.C])
	case 't':
		return fmt.Sprintf("throw %d %s; %s", s.A, failures[s.B], reacts[s.C])
	case 'k':
		return fmt.Sprintf("kill %d; %s", s.A, reacts[s.C])
	case 'P':
		if s.B == 7 && s.C == 7 {
			b = "nil"
		}
		return fmt.Sprintf("set parent of %d to %s", s.A, b)
	case 'r':
		return "return " + plain[s.B]
	case 'e':
		return "return error " + failures[s.B]
	case 'p':
		return "panic " + panics[s.B]
	case 'x':
		return "goexit"
	case 'T':
		return "tracer " + tracers[s.A]
	case 'f':
		switch {
		case s.A == 7:
			return "root: goexit"
		case s.A == 6:
			return "root: panic " + panics[s.B]
		case s.A%2 == 1:
			return "root: return error " + failures[s.B]
		}
		return "root: return"
	}
	return "?"
}

// Parse reads a program: four bytes a step, white space aside. Any bytes make a
// program. At most max steps are read.
func Parse(text []byte, max int) Program {
	text = slices.DeleteFunc(slices.Clone(text), func(b byte) bool { return b == ' ' || b == '\n' || b == '\t' })
	var p Program
	for ; len(text) >= 4 && len(p) < max; text = text[4:] {
		p = append(p, Step{letter(text[0]), int(text[1] & 7), int(text[2] & 7), int(text[3] & 7)})
	}
	return p
}

// letter makes any byte an operation.
func letter(b byte) byte {
	for _, op := range ops {
		if op.letter == b {
			return b
		}
	}
	return pick(int(b))
}

// pick takes an operation as often as the table says, if n is random.
func pick(n int) byte {
	total := 0
	for _, op := range ops {
		total += op.often
	}
	n %= total
	for _, op := range ops {
		if n -= op.often; n < 0 {
			return op.letter
		}
	}
	panic("not reached")
}

// Text is what Parse reads.
func (p Program) Text() string {
	var b strings.Builder
	for i, s := range p {
		if i > 0 {
			b.WriteByte(' ')
		}
		fmt.Fprintf(&b, "%c%d%d%d", s.Op, s.A, s.B, s.C)
	}
	return b.String()
}

// String is the program for people.
func (p Program) String() string {
	var b strings.Builder
	for i, s := range p {
		fmt.Fprintf(&b, "%3d  %c%d%d%d  %v\n", i, s.Op, s.A, s.B, s.C, s)
	}
	return b.String()
}

// Random makes a program. It has a theme, an operation that it likes, and few
// greenlets or many: the more often they meet, the deeper they get entangled.
func Random(r *rand.Rand) Program {
	var p Program
	if r.IntN(2) == 0 {
		p = append(p, Step{Op: 'T', A: 1})
	}
	slots := 2 + r.IntN(6)
	for i := range slots - r.IntN(2) {
		p = append(p, Step{'n', i + 1, r.IntN(i + 2), r.IntN(8)})
	}
	theme := ops[r.IntN(len(ops)-1)].letter
	if theme == 'x' { // costs stacks
		theme = 's'
	}
	for range 4 + r.IntN(60) {
		s := Step{pick(r.Int()), r.IntN(slots + 1), r.IntN(8), r.IntN(8)}
		if r.IntN(4) == 0 {
			s.Op = theme
		}
		if s.Op == 'T' || s.Op == 'f' {
			s.A = r.IntN(8)
		}
		p = append(p, s)
	}
	return p
}

// Shrink leaves out what it can as long as the program is still bad.
func (p Program) Shrink(bad func(Program) bool) Program {
	for n := len(p) / 2; n > 0; {
		smaller := false
		for i := 0; i+n <= len(p); {
			if q := slices.Delete(slices.Clone(p), i, i+n); bad(q) {
				p, smaller = q, true
			} else {
				i++
			}
		}
		if !smaller {
			n /= 2
		}
	}
	for i := range p {
		for _, digit := range []func(s *Step) *int{
			func(s *Step) *int { return &s.A }, func(s *Step) *int { return &s.B }, func(s *Step) *int { return &s.C },
		} {
			q := slices.Clone(p)
			if *digit(&q[i]) = 0; bad(q) {
				p = q
			}
		}
	}
	return p
}
