package greenlet_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-greenlet/greenlet"
)

// traced returns what the tracer saw while f ran, with the greenlets' names; the
// root is M.
func traced(f func()) (events []string) {
	name := func(g *greenlet.Greenlet) string {
		if g.IsRoot() {
			return "M"
		}
		return g.Name()
	}
	previous := greenlet.SetTrace(func(e greenlet.Event, origin, target *greenlet.Greenlet) {
		if greenlet.Current() != target {
			events = append(events, "not on the target:")
		}
		events = append(events, fmt.Sprintf("%v(%s,%s)", e, name(origin), name(target)))
	})
	f()
	greenlet.SetTrace(previous)
	return events
}

func named(name string, run greenlet.Func, opts ...greenlet.Option) *greenlet.Greenlet {
	return greenlet.New(run, append(opts, greenlet.WithName(name))...)
}

func TestTraceEvents(t *testing.T) {
	suspended := func(run greenlet.Func) *greenlet.Greenlet {
		g := named("g", run)
		_, err := g.Switch(nil)
		require.NoError(t, err)
		return g
	}
	toRoot := func(any) (any, error) { return greenlet.Current().Parent().Switch(nil) }
	tests := []struct {
		name   string
		given  func() *greenlet.Greenlet
		action func(g *greenlet.Greenlet)
		want   []string
	}{
		{"start g, it returns",
			func() *greenlet.Greenlet { return named("g", returns(nil, nil)) },
			func(g *greenlet.Greenlet) { _, _ = g.Switch(nil) },
			[]string{"switch(M,g)", "switch(g,M)"}},
		{"start g, it returns an error",
			func() *greenlet.Greenlet { return named("g", returns(nil, errSome)) },
			func(g *greenlet.Greenlet) { _, _ = g.Switch(nil) },
			[]string{"switch(M,g)", "throw(g,M)"}},
		{"start g, it panics",
			func() *greenlet.Greenlet { return named("g", func(any) (any, error) { panic(1) }) },
			func(g *greenlet.Greenlet) { assert.Panics(t, func() { _, _ = g.Switch(nil) }) },
			[]string{"switch(M,g)", "throw(g,M)"}},
		{"switch to dead g whose parent is M",
			func() *greenlet.Greenlet { g := named("g", returns(nil, nil)); _, _ = g.Switch(nil); return g },
			func(g *greenlet.Greenlet) { _, _ = g.Switch(nil) },
			[]string{"switch(M,M)"}},
		{"switch to itself",
			func() *greenlet.Greenlet { return greenlet.Current() },
			func(g *greenlet.Greenlet) { _, _ = g.Switch(nil) },
			[]string{"switch(M,M)"}},
		{"throw at itself",
			func() *greenlet.Greenlet { return greenlet.Current() },
			func(g *greenlet.Greenlet) { _, _ = g.Throw(errSome) },
			[]string{"throw(M,M)"}},
		{"throw an error into pending g",
			func() *greenlet.Greenlet { return named("g", returns(nil, nil)) },
			func(g *greenlet.Greenlet) { _, _ = g.Throw(errSome) },
			[]string{"throw(M,g)", "throw(g,M)"}},
		{"throw ErrExit into pending g",
			func() *greenlet.Greenlet { return named("g", returns(nil, nil)) },
			func(g *greenlet.Greenlet) { _, _ = g.Throw(nil) },
			[]string{"throw(M,g)", "switch(g,M)"}},
		{"throw ErrExit into suspended g, which ends",
			func() *greenlet.Greenlet { return suspended(toRoot) },
			func(g *greenlet.Greenlet) { _, _ = g.Throw(nil) },
			[]string{"throw(M,g)", "switch(g,M)"}},
		{"throw into suspended g, which handles it",
			func() *greenlet.Greenlet {
				return suspended(func(any) (any, error) {
					p := greenlet.Current().Parent()
					_, _ = p.Switch(nil)
					return p.Switch(nil)
				})
			},
			func(g *greenlet.Greenlet) { _, _ = g.Throw(errSome) },
			[]string{"throw(M,g)", "switch(g,M)"}},
		{"c returns, its parent p is pending and returns",
			func() *greenlet.Greenlet {
				return named("c", returns(nil, nil), greenlet.WithParent(named("p", returns(nil, nil))))
			},
			func(g *greenlet.Greenlet) { _, _ = g.Switch(nil) },
			[]string{"switch(M,c)", "switch(c,p)", "switch(p,M)"}},
		{"c fails, its parent p is pending",
			func() *greenlet.Greenlet {
				return named("c", returns(nil, errSome), greenlet.WithParent(named("p", returns(nil, nil))))
			},
			func(g *greenlet.Greenlet) { _, _ = g.Switch(nil) },
			[]string{"switch(M,c)", "throw(c,p)", "throw(p,M)"}},
		{"c panics, its parent p is pending",
			func() *greenlet.Greenlet {
				return named("c", func(any) (any, error) { panic(1) }, greenlet.WithParent(named("p", returns(nil, nil))))
			},
			func(g *greenlet.Greenlet) { assert.Panics(t, func() { _, _ = g.Switch(nil) }) },
			[]string{"switch(M,c)", "throw(c,p)", "throw(p,M)"}},
		{"kill suspended g",
			func() *greenlet.Greenlet { return suspended(toRoot) },
			func(g *greenlet.Greenlet) { require.NoError(t, g.Kill()) },
			[]string{"throw(M,g)", "switch(g,M)"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			tree(t, func(*greenlet.Greenlet) {
				g := test.given()
				assert.Equal(t, test.want, traced(func() { test.action(g) }))
			})
		})
	}
}

// An iteration switches as a Switch does, at its end, too.
func TestTheTracerSeesAnIteration(t *testing.T) {
	tree(t, func(*greenlet.Greenlet) {
		for name, rest := range map[string]func(next func() (int, bool), stop func()){
			"the body returns": func(next func() (int, bool), _ func()) { _, _ = next() },
			"stop":             func(_ func() (int, bool), stop func()) { stop() },
		} {
			t.Run(name, func(t *testing.T) {
				next, stop := greenlet.Pull(count(1))
				assert.Equal(t, []string{"switch(M,)", "switch(,M)", "switch(M,)", "switch(,M)"}, traced(func() {
					_, _ = next()
					rest(next, stop)
				}))
			})
		}
	})
}

func TestTheTracerIsNotCalledForItsOwnSwitches(t *testing.T) {
	tree(t, func(root *greenlet.Greenlet) {
		var events []greenlet.Event
		helper := greenlet.New(echo)
		greenlet.SetTrace(func(e greenlet.Event, _, _ *greenlet.Greenlet) {
			events = append(events, e)
			require.NoError(t, helper.SetParent(greenlet.Current()))
			value(t, "from the tracer")(helper.Switch("from the tracer"))
		})
		g := greenlet.New(returns(1, nil))
		value(t, 1)(g.Switch(nil))
		assert.Len(t, events, 2)
		greenlet.SetTrace(nil)
		require.NoError(t, helper.SetParent(root))
	})
}

// A tracer that switches away before a greenlet has begun: the greenlet begins
// with the argument that started it, later.
func TestATracerThatSwitchesAwayAtAStart(t *testing.T) {
	tree(t, func(root *greenlet.Greenlet) {
		var log []any
		var g1, g2 *greenlet.Greenlet
		body := func(name string) greenlet.Func {
			return func(v any) (any, error) {
				log = append(log, name+" arg", v)
				v, err := root.Switch("from " + name)
				log = append(log, name+" from parent", v)
				return name + " done", err
			}
		}
		g1, g2 = greenlet.New(body("g1")), greenlet.New(body("g2"))
		first := true
		greenlet.SetTrace(func(greenlet.Event, *greenlet.Greenlet, *greenlet.Greenlet) {
			if first {
				first = false
				_, err := g2.Switch("g2 from tracefunc")
				require.NoError(t, err)
			}
		})
		// g1's start is interrupted by the tracer, which lets g2 run: it comes here.
		value(t, "from g2")(g1.Switch("g1 from main"))
		// This one goes on in the tracer, which drops the value; then g1 begins.
		value(t, "from g1")(g1.Switch("g1 from main 2"))
		value(t, "g1 done")(g1.Switch("g1 from main 3"))
		value(t, "g2 done")(g2.Switch(nil))
		greenlet.SetTrace(nil)
		assert.Equal(t, []any{
			"g2 arg", "g2 from tracefunc",
			"g1 arg", "g1 from main",
			"g1 from parent", "g1 from main 3",
			"g2 from parent", nil,
		}, log)
	})
}

func TestATracerThatPanicsIsRemoved(t *testing.T) {
	tree(t, func(root *greenlet.Greenlet) {
		g := greenlet.New(echo)
		value(t, 1)(g.Switch(1))
		calls := 0
		greenlet.SetTrace(func(greenlet.Event, *greenlet.Greenlet, *greenlet.Greenlet) {
			calls++
			panic(errSome)
		})
		// It panics in g, which dies of that.
		func() {
			defer func() {
				assert.ErrorIs(t, recover().(error), errSome)
			}()
			_, _ = g.Switch(2)
		}()
		assert.True(t, g.Dead())
		assert.Nil(t, greenlet.GetTrace())
		assert.Equal(t, 1, calls)
	})
}

func TestSetTraceReturnsTheOneBefore(t *testing.T) {
	tree(t, func(root *greenlet.Greenlet) {
		var log []string
		tracer := func(name string) greenlet.Tracer {
			return func(greenlet.Event, *greenlet.Greenlet, *greenlet.Greenlet) { log = append(log, name) }
		}
		assert.Nil(t, greenlet.SetTrace(tracer("a")))
		greenlet.SetTrace(tracer("b"))(0, nil, nil)
		assert.Equal(t, []string{"a"}, log)
		greenlet.GetTrace()(0, nil, nil)
		assert.Equal(t, []string{"a", "b"}, log)

		// Replaced while it runs.
		greenlet.SetTrace(func(greenlet.Event, *greenlet.Greenlet, *greenlet.Greenlet) {
			greenlet.SetTrace(tracer("c"))
			log = append(log, "once")
		})
		value(t, 1)(root.Switch(1))
		value(t, 1)(root.Switch(1))
		assert.Equal(t, []string{"a", "b", "once", "c"}, log)
	})
}

func TestEachTreeHasItsOwnTracer(t *testing.T) {
	tree(t, func(root *greenlet.Greenlet) {
		greenlet.SetTrace(func(greenlet.Event, *greenlet.Greenlet, *greenlet.Greenlet) {})
		done := make(chan greenlet.Tracer)
		go func() { done <- greenlet.GetTrace() }()
		assert.Nil(t, <-done)
		go func() {
			var tracer greenlet.Tracer
			_ = greenlet.Run(func(*greenlet.Greenlet) error { tracer = greenlet.GetTrace(); return nil })
			done <- tracer
		}()
		assert.Nil(t, <-done)
	})
}

func TestEventNames(t *testing.T) {
	assert.Equal(t, "switch throw Event(9)", fmt.Sprint(greenlet.EventSwitch, greenlet.EventThrow, greenlet.Event(9)))
}
