//go:build cgo && linux

package inspect_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-greenlet/greenlet"
	"github.com/go-greenlet/greenlet/inspect"
	"github.com/go-greenlet/greenlet/internal/cgotest"
)

// FuzzLooks plays programs of starts, ends, kills, moves and take-overs in two trees, one that is
// bound to a thread and one that is free, while other goroutines use all ways to look at them.
// Each tree has one greenlet that lives all the time: All has to yield it, and the count of its
// switches has to be right.
func FuzzLooks(f *testing.F) {
	f.Add([]byte("\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c"))
	f.Add([]byte("\x10\x11\x10\x11\x22\x32\x08\x18\x28\x45\x35\x07\x17\x0c\x0c\x02\x02"))
	f.Add([]byte("\x08\x08\x08\x01\x08\x04\x08\x15\x07\x08\x1c\x08\x2c\x0a\x0b\x09\x0d"))
	f.Add([]byte("\x10\x11\x10\x11\x22\x32\x08\x18\x28\x45\x35\x07\x17\x0c\x0c\x02\x22")) // ends at the same time as take-overs
	f.Fuzz(func(t *testing.T, program []byte) {
		if len(program) > 200 {
			return
		}
		var players, watchers sync.WaitGroup
		var over atomic.Bool
		begin := func(wg *sync.WaitGroup, f func()) {
			wg.Add(1)
			go func() {
				defer wg.Done()
				f()
			}()
		}
		bound, free := &player{t: t}, &player{t: t, free: true}
		begin(&players, func() {
			assert.NoError(t, greenlet.Run(func(*greenlet.Greenlet) error { bound.play(program); return nil }))
		})
		begin(&players, func() { free.play(program) }) // the greenlets that it leaves are killed after a collection
		for _, look := range []func(){
			func() { enumerate(t, bound, free) },
			func() { request(t) },
			func() { record(t) },
		} {
			begin(&watchers, func() {
				for look(); !over.Load(); look() {
					runtime.Gosched()
				}
			})
		}
		players.Wait()
		over.Store(true)
		watchers.Wait()
	})
}

// A player plays a program in a tree of its own.
type player struct {
	t        testing.TB
	free     bool
	root     *greenlet.Greenlet
	live     []*greenlet.Greenlet
	constant atomic.Pointer[greenlet.Greenlet] // the watchers load it; nil: All may or may not yield it
}

func (p *player) play(program []byte) {
	p.root = greenlet.Current()
	constant := started(p.t, "constant", waits(p.root))
	p.constant.Store(constant)
	switches := uint64(1)
	for _, b := range program {
		op, arg := b&15, int(b>>4)
		if op == 4 {
			_, err := constant.Switch(nil)
			require.NoError(p.t, err)
			switches++
		} else {
			p.step(op, arg)
		}
	}
	assert.Equal(p.t, switches, constant.Info().Switches)
	assert.Equal(p.t, greenlet.Suspended, constant.Info().State)
	p.constant.Store(nil)
	if len(program)%2 == 0 || !oneM() { // other engines leak the memory of greenlets that are suspended when their thread ends
		for _, g := range append(p.live, constant) {
			assert.NoError(p.t, g.Kill())
		}
	}
}

func (p *player) step(op byte, arg int) {
	var g *greenlet.Greenlet
	if len(p.live) > 0 {
		g = p.live[arg%len(p.live)]
	}
	switch {
	case op == 0 || op > 11 && g == nil:
		p.live = append(p.live, started(p.t, fmt.Sprint("go-", arg), waits(p.root)))
	case op == 1:
		p.live = append(p.live, started(p.t, fmt.Sprint("c-", arg), func(any) (v any, err error) {
			cgotest.Call(func() { v, err = p.root.Switch(nil) })
			return v, err
		}))
	case op == 3:
		next, stop := greenlet.Pull(func(yield func(int) bool) { _ = yield(1) && yield(2) })
		_, ok := next()
		assert.True(p.t, ok)
		stop()
	case op == 8: // another goroutine takes it over, with a tree of its own
		next, stop := greenlet.Pull(func(yield func(int) bool) {
			for yield(1) {
			}
		})
		_, ok := next()
		assert.True(p.t, ok)
		if p.free && oneM() {
			done := make(chan struct{})
			go func() {
				defer close(done)
				// next panics while a greenlet of this tree is suspended in C.
				defer func() { _ = recover() }()
				_, _ = next()
			}()
			<-done
		}
		stop()
	case op == 9:
		runtime.Gosched()
	case op == 10:
		_, err := greenlet.New(func(any) (any, error) { return nil, errors.New("fails") }).Switch(nil)
		assert.ErrorContains(p.t, err, "fails")
	case op == 11:
		inspect.Mark("a mark")
	case g == nil:
	case op == 2:
		assert.NoError(p.t, g.Kill())
		p.live = slices.DeleteFunc(p.live, func(o *greenlet.Greenlet) bool { return o == g })
	case op == 5:
		_ = g.SetParent(p.live[len(p.live)-1]) // an error if it would make a cycle
	case op == 6:
		g.SetName(fmt.Sprint("named-", arg))
	case op == 7: // nothing refers to it any more, so it is killed after some collection
		p.live = slices.DeleteFunc(p.live, func(o *greenlet.Greenlet) bool { return o == g })
	case op == 12:
		runtime.GC()
	default:
		_, _ = g.Switch(nil) // some of the greenlets end with this switch
		if g.Dead() {
			p.live = slices.DeleteFunc(p.live, func(o *greenlet.Greenlet) bool { return o == g })
		}
	}
}

// enumerate checks that All yields the constant greenlets exactly once, and that what is told of each
// greenlet is possible.
func enumerate(t testing.TB, players ...*player) {
	var before []*greenlet.Greenlet
	for _, p := range players {
		before = append(before, p.constant.Load())
	}
	all := slices.Collect(greenlet.All())
	for i, p := range players {
		if g := before[i]; g != nil && g == p.constant.Load() {
			assert.Equal(t, 1, len(slices.DeleteFunc(slices.Clone(all), func(o *greenlet.Greenlet) bool { return o != g })), "the constant one")
		}
	}
	for _, g := range all {
		i := g.Info()
		assert.Equal(t, g.ID(), i.ID)
		assert.NotEqual(t, greenlet.Pending, i.State)
		assert.NotZero(t, i.Root)
		assert.GreaterOrEqual(t, i.Since, time.Duration(0))
		if i.SuspendedAt.Function != "" {
			assert.Equal(t, greenlet.Suspended, i.State)
			assert.Contains(t, i.SuspendedAt.File, "_test.go")
		}
		for _, f := range g.Stack() {
			assert.NotEmpty(t, f.Function)
		}
		for _, c := range g.Children() {
			assert.NotEqual(t, g.ID(), c.ID())
		}
	}
}

func request(t testing.TB) {
	for _, q := range []string{"?format=json", "?format=text", "?fragment=1&sort=for", "/1"} {
		w := httptest.NewRecorder()
		inspect.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/debug/greenlets"+q, nil))
		assert.Contains(t, []int{200, 404}, w.Code)
		if strings.HasSuffix(q, "json") {
			assert.True(t, json.Valid(w.Body.Bytes()))
		}
	}
}

func record(t testing.TB) {
	defer greenlet.SetDetail(greenlet.SetDetail(greenlet.DetailTimes | greenlet.DetailCreation))
	ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	var b strings.Builder
	assert.NoError(t, inspect.Record(ctx, io.Writer(&b), inspect.Events(1000)))
	assert.True(t, json.Valid([]byte(b.String())))
}
