package greenlet

import "errors"

// C code can be in a section that must not be left: it holds a lock, say, and calls
// back. What would pass control to another greenlet from there is refused then, in C
// and in the Go functions that it calls. See greenlet_enter_section in
// csrc/greenlet.h. (The counter is that of PHP's zend_fibers.c.)

var (
	errSection    = errors.New("a section of C code must not be left")
	errNoSection  = errors.New("no section was entered here")
	errEndSection = errors.New("it ended inside a section that it had entered")
)

// enterSection begins a section, inside another one or not.
func enterSection() error {
	t, err := ownTree()
	if err != nil {
		return err
	}
	t.sections++
	t.slow |= slowSection
	return nil
}

// leaveSection ends the one that was entered last.
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

// leaveSections leaves all.
func (t *tree) leaveSections() {
	t.sections = 0
	t.slow &^= slowSection
}

// endSections is called when the current greenlet ends: the section was its own.
func (t *tree) endSections(m *message) {
	if t.sections != 0 {
		t.leaveSections()
		m.fail(fail("a greenlet's end", nil, errEndSection, ""))
	}
}
