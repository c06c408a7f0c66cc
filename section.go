package greenlet

import "errors"

// A section is C code during which no switch is allowed, for example because it holds a lock
// while it calls back. Every operation that would pass control to another greenlet is refused
// in it, in C and in the Go functions that it calls. See greenlet_enter_section in
// csrc/greenlet.h. (To count sections is learned from PHP's zend_fibers.c.)
//
// tree.sections counts those that the current greenlet is in, one inside the other. Only the
// goroutine that runs in the tree touches it. slowSection is set while it is not 0, so that no
// operation is tried with SwitchFast, and the slow ones check.

var (
	errSection    = errors.New("a section of C code must not be left")
	errNoSection  = errors.New("no section was entered here")
	errEndSection = errors.New("it ended inside a section that it had entered")
)

// enterSection begins a section, which may be inside another one. The goroutine becomes a root
// if it is in no tree.
func enterSection() error {
	t, err := ownTree()
	if err != nil {
		return err
	}
	t.sections++
	t.slow |= slowSection
	return nil
}

// leaveSection ends the section that was entered last.
func leaveSection() error {
	t := currentTree()
	if t == nil || t.sections == 0 {
		return fail("leaving a section", nil, errNoSection, "")
	}
	if t.sections--; t.sections == 0 {
		t.slow &^= slowSection
		t.endOperation()
	}
	return nil
}

// leaveSections ends all sections.
func (t *tree) leaveSections() {
	t.sections = 0
	t.slow &^= slowSection
}

// endSections ends the sections of the current greenlet, which ends. If there are any, its last
// message m becomes an error. They are its own, since no switch was possible in them.
func (t *tree) endSections(m *message) {
	if t.sections != 0 {
		t.leaveSections()
		m.fail(fail("a greenlet's end", nil, errEndSection, ""))
	}
}
