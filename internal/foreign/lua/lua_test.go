//go:build greenlet_foreign && cgo && linux

package lua_test

import (
	"fmt"
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-greenlet/greenlet"
	"github.com/go-greenlet/greenlet/internal/foreign/lua"
)

// Two Lua coroutines take turns; each calls a Go function between two yields, from
// a depth of its own.
const script = `
local function worker(name, depth)
	local function down(n, i)
		if n == 0 then return ask(name, i) end
		return 0 + down(n - 1, i)
	end
	return coroutine.wrap(function()
		for i = 1, math.huge do
			coroutine.yield(name .. down(depth, i))
		end
	end)
end
local a, b = worker("a", 3), worker("b", 50)
local out = {}
for i = 1, 20 do
	out[#out + 1] = a()
	out[#out + 1] = b()
	if i % 3 == 0 then out[#out + 1] = b() end
end
collectgarbage()
return table.concat(out, " ")`

func answer(name string, i, salt int) int { return len(name)*1000 + i*salt }

type question struct {
	name string
	i    int
}

// Two interpreters in two greenlets. The Go function that their coroutines call
// suspends its greenlet, and the root answers, now the one, now the other.
func TestInterpretersInGreenlets(t *testing.T) {
	var want [2]string
	for salt := range want {
		var err error
		want[salt], err = lua.Run(script, func(name string, i int) int { return answer(name, i, salt+2) })
		require.NoError(t, err)
	}
	require.NotEqual(t, want[0], want[1])
	require.Contains(t, want[0], "a1002 b1002 a1004")

	require.NoError(t, greenlet.Run(func(root *greenlet.Greenlet) error {
		var all [2]*greenlet.Greenlet
		var asked [2]any
		for i := range all {
			all[i] = greenlet.New(func(any) (any, error) {
				return lua.Run(script, func(name string, n int) int {
					v, err := root.Switch(question{name, n})
					if err != nil {
						panic(err)
					}
					return v.(int)
				})
			})
			var err error
			asked[i], err = all[i].Switch(nil)
			require.NoError(t, err)
		}
		for n := 0; !all[0].Dead() || !all[1].Dead(); n++ {
			i := n / 2 % 2 // two questions of the one, two of the other
			if all[i].Dead() {
				continue
			}
			q, ok := asked[i].(question)
			require.True(t, ok, "%v", asked[i])
			v, err := all[i].Switch(answer(q.name, q.i, i+2))
			require.NoError(t, err)
			asked[i] = v
			if n%7 == 0 {
				runtime.GC()
			}
		}
		for i := range all {
			assert.Equal(t, want[i], asked[i], fmt.Sprint(i))
		}
		return nil
	}))
}

func TestAScriptsErrorComesOut(t *testing.T) {
	_, err := lua.Run(`error("from Lua", 0)`, nil)
	assert.EqualError(t, err, "from Lua")
}
