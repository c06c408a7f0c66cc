package gort

import "fmt"

// Try makes a switch of each kind, before anybody relies on them: there and back by the
// short way and by the runtime's own, an end, and the end of one that is given up. The
// calling goroutine must be locked to its thread and no root; the record is used for
// nothing else.
func (t *Thread) Try() error {
	root := t.Enter()
	g := getg()
	g0 := *at[uintptr](*at[uintptr](g + gM) + mG0)
	words := func() [6]uintptr {
		return [6]uintptr{*at[uintptr](g0), *at[uintptr](g0 + 8), *at[uintptr](g0 + gGuard0), *at[uintptr](g0 + gSchedSP),
			*at[uintptr](*at[uintptr](g + gM) + mLocks), *at[uintptr](t.current)}
	}
	before := words()
	began, ended := 0, 0
	for range 2 {
		for _, discard := range []bool{false, true} {
			var c *Coro
			c, err := t.New(0, func() {
				began++
				t.Switch(c, root)
				ended++
				t.Exit(c, root)
			})
			if err != nil {
				return err
			}
			t.Switch(root, c)
			if discard {
				t.Discard(c)
			} else {
				t.Switch(root, c)
			}
		}
		t.official, t.rootG, root.plain = true, 0, false // and again, by the runtime's own
	}
	t.Trim(0)
	if began != 4 || ended != 2 || words() != before || getg() != g {
		return fmt.Errorf("of 4 coroutines %d began and 2 of %d went on, or something was not put back (%x, now %x)", began, ended, before, words())
	}
	return nil
}
