// Package duktape tests github.com/olebedev/go-duktape: a heap for each greenlet.
package duktape

import (
	"testing"

	"gopkg.in/olebedev/go-duktape.v3"

	"github.com/go-greenlet/greenlet/interop/harness"
)

func TestDuktape(t *testing.T) {
	harness.Run(t, 20, func(seed int, ask func(int) (int, error)) (string, error) {
		d := duktape.New()
		defer d.DestroyHeap()
		var failed error
		if _, err := d.PushGlobalGoFunction("ask", func(d *duktape.Context) int {
			n, err := ask(d.GetInt(0))
			if err != nil {
				failed = err
				return duktape.ErrRetError
			}
			d.PushInt(n)
			return 1
		}); err != nil {
			return "", err
		}
		if err := d.PevalString(`
			function deep(n, i) { return n == 0 ? ask(i) : deep(n - 1, i); }
			var out = [3, 1, 2].map(function (i) { return deep(i * 5, i); });
			try { out.push(ask(4)); } catch (e) { throw e; }
			out.sort(function (a, b) { return ask(a) - ask(b); });
			JSON.stringify(out)`); err != nil {
			return "", err
		}
		return d.SafeToString(-1), failed
	})
}
