//go:build cgo && linux

package sanitize

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Each tool finds nothing in the core, and finds the mistake that is its business
// when one is made in a coroutine.
func TestTheCore(t *testing.T) {
	if testing.Short() || os.Getenv("GREENLET_EMULATOR") != "" {
		t.Skip("it compiles C programs for this machine")
	}
	for _, c := range []struct {
		name  string
		flags string
		with  []string // runs it
		sees  map[string]string
	}{
		{"address", "-fsanitize=address", nil, map[string]string{
			"overflow": "stack-buffer-overflow", "leak": "77 byte.* leaked"}},
		{"address-fake-stack", "-fsanitize=address", []string{"env", "ASAN_OPTIONS=detect_stack_use_after_return=1"},
			map[string]string{"overflow": "stack-buffer-overflow"}},
		{"undefined", "-fsanitize=undefined -fno-sanitize-recover=all", nil, nil},
		// The kernel may place things where this version of the tool has no room for them.
		{"thread", "-fsanitize=thread", []string{"setarch", "-R"}, map[string]string{
			// The stack that it shows is the coroutine's, without that of who switched to it.
			"race": `data race(?s:.*)#0 writes .*\n +#1 glet_coro_main [^\n]*\n +#2 glet_start [^\n]*\n\n`}},
		{"valgrind", "-g", []string{"valgrind", "--error-exitcode=9", "--leak-check=full", "--errors-for-leak-kinds=definite"},
			map[string]string{"leak": "77 bytes in 1 blocks are definitely lost"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			exe := build(t, c.flags)
			out, err := run(t, c.with, exe)
			require.NoError(t, err, "%s", out)
			assert.Contains(t, out, "done")
			assert.NotContains(t, out, "WARNING")
			assert.NotContains(t, out, "switching stacks") // valgrind's guess
			for mistake, want := range c.sees {
				out, err := run(t, c.with, exe, mistake)
				assert.Error(t, err, "%s: %s", mistake, out)
				assert.Regexp(t, want, out, mistake)
			}
		})
	}
}

// The whole of csrc without Go: what needs Go says so.
func TestWithoutGo(t *testing.T) {
	if testing.Short() || os.Getenv("GREENLET_EMULATOR") != "" {
		t.Skip("it compiles C programs for this machine")
	}
	out, err := run(t, nil, compile(t, "nogo.c", "", "fiber.c", "fiber_onem.c", "go_m.c", "go_overflow.c", "go_slot.c", "go_thread.c", "go_worker.c", "greenlet.c",
		"greenlet_stacks.c", "escape.c", "escape_amd64.S", "escape_arm64.S", "escape_riscv64.S"))
	require.NoError(t, err, "%s", out)
}

// The switch that is compiled into its caller, with all that compilers are told to do
// with registers and frames, beside those that are called. Sanitizers get calls.
func TestTheInlineSwitch(t *testing.T) {
	if testing.Short() {
		t.Skip("it compiles a program many times")
	}
	emulator := strings.Fields(os.Getenv("GREENLET_EMULATOR"))
	compilers := map[string]bool{}
	for _, variable := range []string{"CC", "CXX"} {
		out, err := exec.Command("go", "env", variable).Output()
		require.NoError(t, err)
		compilers[strings.TrimSpace(string(out))] = true
	}
	if len(emulator) == 0 {
		compilers["clang"], compilers["clang++"] = true, true
	}
	for compiler := range compilers {
		for _, flags := range []string{
			"-O0", "-O1", "-O2", "-O3 -funroll-loops", "-O2 -fno-omit-frame-pointer -fPIC",
			"-O2 -fomit-frame-pointer -fno-asynchronous-unwind-tables -g0", "-O2 -march=native",
			"-O2 -fcf-protection", "-O2 -mbranch-protection=standard", "-O2 -DGLET_UCONTEXT=1", "-O1 -fsanitize=address",
		} {
			t.Run(compiler+" "+flags, func(t *testing.T) {
				if len(emulator) > 0 && (strings.Contains(flags, "native") || strings.Contains(flags, "sanitize")) {
					t.Skip("about this machine")
				}
				if runtime.GOARCH != "amd64" && strings.Contains(flags, "cf-") || runtime.GOARCH != "arm64" && strings.Contains(flags, "branch-") {
					t.Skip("of another CPU")
				}
				exe := mixed(t, compiler, flags)
				out, err := run(t, emulator, exe)
				require.NoError(t, err, "%s", out)
				assert.Contains(t, out, "done")
			})
		}
	}
}

// mixed compiles the program with a compiler of C or C++, and the core with C's.
func mixed(t *testing.T, compiler, flags string) string {
	t.Helper()
	command := strings.Fields(compiler)
	if _, err := exec.LookPath(command[0]); err != nil {
		t.Skip("needs " + command[0])
	}
	language := "-xc -std=gnu11"
	if strings.Contains(compiler, "++") {
		language = "-xc++ -std=c++11 -Wno-deprecated-declarations"
	}
	object := filepath.Join(t.TempDir(), "inline.o")
	args := append(command[1:], strings.Fields("-g -Wall -Wextra -Werror -pthread -I../../csrc "+language+" "+flags+" -c testdata/inline.c -o "+object)...)
	out, err := exec.Command(command[0], args...).CombinedOutput()
	require.NoError(t, err, "%s", out)
	cc, err := exec.Command("go", "env", "CC").Output()
	require.NoError(t, err)
	exe, core := filepath.Join(t.TempDir(), "exe"), ""
	for _, flag := range []string{"-DGLET_UCONTEXT=1", "-fsanitize=address"} {
		if strings.Contains(flags, flag) {
			core += " " + flag // by which the two have to agree
		}
	}
	link := strings.Fields(string(cc) + core + " -g -O1 -I../../csrc ../../csrc/coro.c ../../csrc/stack.c ../../csrc/switch.c ../../csrc/fault.c" +
		" ../cgotest/fill_" + runtime.GOARCH + ".S " + object + " -o " + exe + " -lm -lpthread")
	if !strings.Contains(core, "UCONTEXT") {
		link = append(link, "../../csrc/switch_"+runtime.GOARCH+".S")
	}
	if strings.Contains(compiler, "++") {
		link = append(link, "-lstdc++")
	}
	out, err = exec.Command(link[0], link[1:]...).CombinedOutput()
	require.NoError(t, err, "%s", out)
	return exe
}

// A program that does not know that the core was built with ucontext gets its switch.
func TestTheInlineSwitchOnUcontext(t *testing.T) {
	if testing.Short() || os.Getenv("GREENLET_EMULATOR") != "" {
		t.Skip("it compiles C programs for this machine")
	}
	object := filepath.Join(t.TempDir(), "switch.o")
	cc, err := exec.Command("go", "env", "CC").Output()
	require.NoError(t, err)
	args := strings.Fields(string(cc) + " -O2 -Wall -Wextra -Werror -I../../csrc -c testdata/unaware.c -o " + object)
	out, err := exec.Command(args[0], args[1:]...).CombinedOutput()
	require.NoError(t, err, "%s", out)
	exe := filepath.Join(t.TempDir(), "exe")
	args = strings.Fields(string(cc) + " -DGLET_UCONTEXT=1 -I../../csrc ../../csrc/coro.c ../../csrc/stack.c ../../csrc/switch.c ../../csrc/fault.c " +
		object + " -o " + exe + " -lpthread")
	out, err = exec.Command(args[0], args[1:]...).CombinedOutput()
	require.NoError(t, err, "%s", out)
	text, err := run(t, nil, exe)
	require.NoError(t, err, "%s", text)
	assert.Equal(t, "ucontext 12121 6 1\n", text)
}

// build compiles the program and the core's files that know nothing of Go.
func build(t *testing.T, flags string) string { return compile(t, "main.c", flags) }

func compile(t *testing.T, program, flags string, more ...string) string {
	t.Helper()
	cc, err := exec.Command("go", "env", "CC").Output()
	require.NoError(t, err)
	exe := filepath.Join(t.TempDir(), "exe")
	args := strings.Fields(string(cc) + " -std=gnu11 -O1 -g -Wall -Wextra -Werror -DGLET_DEBUG=1 -I../../csrc " + flags)
	for _, f := range append([]string{"coro.c", "stack.c", "switch.c", "fault.c", "switch_amd64.S", "switch_arm64.S", "switch_riscv64.S"}, more...) {
		name, assembly := strings.CutSuffix(f, ".S")
		if !assembly || strings.HasSuffix(name, "_"+runtime.GOARCH) {
			args = append(args, "../../csrc/"+f)
		}
	}
	args = append(args, "testdata/"+program, "-o", exe, "-lpthread")
	if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
		if strings.Contains(string(out), "cannot find") || strings.Contains(string(out), "unrecognized") {
			t.Skipf("this C compiler has it not: %s", out)
		}
		t.Fatalf("%v: %s", err, out)
	}
	return exe
}

func run(t *testing.T, with []string, args ...string) (string, error) {
	t.Helper()
	args = append(append([]string(nil), with...), args...)
	if _, err := exec.LookPath(args[0]); err != nil {
		t.Skip("needs " + args[0])
	}
	out, err := exec.Command(args[0], args[1:]...).CombinedOutput()
	return string(out), err
}
