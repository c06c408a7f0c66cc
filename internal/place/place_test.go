package place_test

import (
	"path/filepath"
	"runtime"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/go-greenlet/greenlet/internal/place"
)

func TestPC(t *testing.T) {
	n := 0
	f := func() { n++ }
	assert.Equal(t, runtime.FuncForPC(place.PC(f)).Name(), "github.com/go-greenlet/greenlet/internal/place_test.TestPC.func1")
	assert.Zero(t, place.PC[func()](nil))
}

func TestCaller(t *testing.T) {
	for range slices.Values([]int{1}) {
		assert.Regexp(t, `/place_test.go:\d+$`, place.Caller())
	}
	assert.Equal(t, "an unknown place", place.Of(nil))
}

func TestWhatThisModuleCallsIsNotTheUsers(t *testing.T) {
	_, here, _, _ := runtime.Caller(0)
	stack := []runtime.Frame{
		{Function: "sync.runtime_SemacquireMutex", File: "/go/src/runtime/sema.go"},
		{Function: "internal/sync.(*Mutex).lockSlow", File: "/go/src/internal/sync/mutex.go"},
		{Function: "github.com/go-greenlet/greenlet.(*tree).start", File: filepath.Join(filepath.Dir(filepath.Dir(filepath.Dir(here))), "switch.go")},
		{Function: "main.walk", File: "/town/town.go"},
		{Function: "main.main", File: "/town/main.go"},
	}
	f, ok := place.User(stack)
	assert.True(t, ok)
	assert.Equal(t, "main.walk", f.Function)
	f, ok = place.User(stack[3:])
	assert.True(t, ok)
	assert.Equal(t, "main.walk", f.Function, "nothing of this module")
}
