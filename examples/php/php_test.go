//go:build greenlet_php && cgo && linux

package php_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-greenlet/greenlet"
	"github.com/go-greenlet/greenlet/examples/php"
	"github.com/go-greenlet/greenlet/internal/foreign/foreigntest"
)

// oneM says that fibers have no Ms, see greenlet.Runtime: then thousands of them cost little,
// and all can be freed.
var oneM = strings.HasPrefix(greenlet.Runtime(), "one M")

// run runs a script, and sees that none of its fibers is left.
func run(t *testing.T, code string) string {
	t.Helper()
	_, before := php.Fibers()
	out, err := php.Run(t.Context(), code)
	require.NoError(t, err, "%s", out)
	known, kept := php.Fibers()
	assert.Zero(t, known)
	assert.Equal(t, before, kept)
	return out
}

// slow answers each request with its path, after d.
func slow(t *testing.T, d time.Duration) string {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(d)
		fmt.Fprint(w, r.URL.Path)
	}))
	t.Cleanup(s.Close)
	return s.URL
}

// As long as two requests take, and not two hundred: what a single fiber takes is the measure.
func TestFibersWaitAtOnce(t *testing.T) {
	url := slow(t, 200*time.Millisecond)
	code := `
		$n = 0;
		for ($i = 0; $i < %d; $i++) {
			(new Fiber(function () use ($i, &$n) {
				$a = http_get("%[2]s/$i");
				$b = http_get("%[2]s" . "$a/again");
				if ($b === "/$i/again") $n++; else echo "$i: $b\n";
			}))->start();
		}
		echo "all wait\n";
		finish();
		echo $n;`
	start := time.Now()
	run(t, fmt.Sprintf(code, 1, url))
	one := time.Since(start)
	start = time.Now()
	assert.Equal(t, "all wait\n100", run(t, fmt.Sprintf(code, 100, url)))
	assert.Less(t, time.Since(start), 10*one)
}

func TestTheMainScriptWaitsAndFibersRunMeanwhile(t *testing.T) {
	out := run(t, `
		$ran = false;
		$f = new Fiber(function () use (&$ran) { sleep_ms(1); echo "fiber\n"; $ran = true; });
		$f->start();
		while (!$ran) sleep_ms(1);
		echo "main\n";
		try { (new Fiber(fn () => finish()))->start(); } catch (Exception $e) { echo $e->getMessage(), "\n"; }`)
	assert.Equal(t, "fiber\nmain\nfinish() and serve() are for the main script, not for a fiber\n", out)
}

func TestQueries(t *testing.T) {
	out := run(t, `
		query("create table if not exists t (a, b); delete from t; insert into t values (1, 'x'), (2, null)");
		(new Fiber(fn () => print(json_encode(query("select * from t order by a")))))->start();
		finish();
		try { query("select missing"); } catch (Exception $e) { echo "\n", $e->getMessage(); }`)
	assert.Equal(t, `[["1","x"],["2",null]]`+"\nsqlite: no such column: missing", out)
}

func TestErrorsAndPanicsAreExceptions(t *testing.T) {
	out := run(t, `
		foreach ([fn () => http_get("nowhere:"), fn () => go_panic("a panic")] as $f) {
			try { $f(); } catch (Exception $e) { echo $e->getMessage(), "\n"; }
			(new Fiber(function () use ($f) {
				try { through_go($f); } catch (Exception $e) { echo $e->getMessage(), "\n"; }
			}))->start();
			finish();
		}`)
	get := "Get \"nowhere:\": unsupported protocol scheme \"nowhere\"\n"
	assert.Equal(t, get+get+"panic: a panic\npanic: a panic\n", out)
}

// PHP -> Go -> PHP -> Go, and three fibers that are in the midst of that.
func TestNestedCallsGoOnInAnyOrder(t *testing.T) {
	out := run(t, `
		function deep($n, $name) {
			try {
				if ($n == 0) return Fiber::suspend($name);
				return through_go(fn () => deep($n - 1, $name)) . $n;
			} finally { echo $n; }
		}
		[$a, $b, $c] = array_map(fn ($name) => new Fiber(fn () => deep(3, $name)), ["a", "b", "c"]);
		echo $a->start(), $b->start(), $c->start(), " ";
		$a->resume("A");
		echo $a->getReturn(), " ";
		try { $b->throw(new Exception("E")); } catch (Exception $e) { echo $e->getMessage(), " "; }
		$c = null; // it is destroyed, and its finally blocks run
		echo " end";`)
	assert.Equal(t, "abc 0123A123 0123E 0123 end", out)
}

// A fiber that is destroyed while it waits for a goroutine, and one that still waits at the end.
func TestWhoWaitsIsDestroyedWithItsRequest(t *testing.T) {
	before := runtime.NumGoroutine()
	out := run(t, `
		for ($i = 0; $i < 20; $i++) {
			(new Fiber(function () { try { through_go(fn () => sleep_ms(3600000)); } finally { echo "."; } }))->start();
		}
		echo "end";`)
	assert.Equal(t, "end"+strings.Repeat(".", 20), out)
	for deadline := time.Now().Add(10 * time.Second); runtime.NumGoroutine() > before; time.Sleep(time.Millisecond) {
		stacks := make([]byte, 1<<20)
		require.True(t, time.Now().Before(deadline), "%s", stacks[:runtime.Stack(stacks, true)])
	}
}

func TestAFiberIsResumedTooEarly(t *testing.T) {
	out := run(t, `
		$f = new Fiber(function () {
			try { sleep_ms(5); } catch (Exception $e) { echo $e->getMessage(), "\n"; }
			sleep_ms(20);
			echo "and on";
		});
		$f->start();
		$f->resume();
		finish();`)
	assert.Equal(t, "the fiber was resumed while it waited for Go\nand on", out)
}

// A fatal error skips no Go frames, and the next script finds all in order.
func TestFatalErrors(t *testing.T) {
	for range 3 {
		out, err := php.Run(t.Context(), `
			for ($i = 0; $i < 10; $i++)
				(new Fiber(function () { through_go(fn () => sleep_ms(3600000)); }))->start();
			(new Fiber(function () {
				sleep_ms(1);
				through_go(function () { through_go(function () { eval("function f() {} function f() {}"); }); });
			}))->start();
			finish();
			echo "not reached";`)
		require.ErrorIs(t, err, php.ErrFatal)
		assert.Contains(t, out, "Cannot redeclare f()")
		assert.NotContains(t, out, "not reached")
		known, kept := php.Fibers()
		assert.Zero(t, known)
		if oneM {
			assert.Zero(t, kept)
		}
	}
	assert.Equal(t, "well", run(t, `(new Fiber(function () { sleep_ms(1); echo "well"; }))->start(); finish();`))
}

func TestTheContextEndsAScript(t *testing.T) {
	cause := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	time.AfterFunc(10*time.Millisecond, func() { cancel(cause) })
	_, err := php.Run(ctx, `while (true) { try { sleep_ms(3600000); } catch (Throwable $e) {} }`)
	require.ErrorIs(t, err, cause)
}

// Whoever waits learns of the end, and is interrupted besides: what runs at the end is not.
func TestTheContextEndsNoShutdownFunction(t *testing.T) {
	limit := 5 * time.Millisecond
	for waited := 0; waited < 20; {
		ctx, cancel := context.WithTimeout(t.Context(), limit)
		out, err := php.Run(ctx, `
			register_shutdown_function(function () { for ($i = 0; $i < 10000; $i++); echo "shutdown"; });
			echo "waits ";
			while (true) sleep_ms(3600000);`)
		cancel()
		require.ErrorIs(t, err, context.DeadlineExceeded)
		if !strings.HasPrefix(out, "waits ") { // on a busy machine the script may not have come that far
			limit *= 2
			require.Less(t, limit, time.Minute)
			continue
		}
		waited++
		assert.Equal(t, "waits shutdown", out)
	}
}

// It cannot be caught, and what is to run at a script's end does.
func TestTheContextEndsALoop(t *testing.T) {
	for _, loop := range []string{
		`while (true);`,
		`while (true) { try { while (true); } catch (Throwable $e) {} }`,
		`through_go(function () { while (true); });`,
		`(new Fiber(function () { sleep_ms(1); while (true); }))->start(); finish();`,
		`(new Fiber(function () { through_go(fn () => Fiber::suspend()); }))->start(); while (true) sleep_ms(1);`,
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		out, err := php.Run(ctx, `try { `+loop+` } finally { echo "finally"; }`)
		cancel()
		require.ErrorIs(t, err, context.DeadlineExceeded, loop)
		assert.NotContains(t, out, "error", loop)
		known, kept := php.Fibers()
		assert.Zero(t, known, loop)
		if oneM {
			assert.Zero(t, kept)
		}
	}
	assert.Equal(t, "well", run(t, `sleep_ms(1); echo "well";`))
}

func TestServer(t *testing.T) {
	dir := t.TempDir()
	write := func(name, code string) {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte("<?php "+code), 0o644))
	}
	write("get.php", `parse_str(parse_url($request, PHP_URL_QUERY), $q); echo "<", http_get($q["url"]), ">";`)
	write("fibers.php", `
		$done = 0;
		for ($i = 0; $i < 3; $i++) (new Fiber(function () use ($i, &$done) { sleep_ms(1); echo "x"; $done++; }))->start();
		while ($done < 3) sleep_ms(1);`)
	write("throws.php", `sleep_ms(1); throw new Exception("thrown");`)
	write("exits.php", `sleep_ms(1); echo "left"; exit; echo "not reached";`)
	s, err := php.NewServer(dir)
	require.NoError(t, err)
	web := httptest.NewServer(s)
	defer web.Close()
	get := func(path string) string {
		p, err := http.Get(web.URL + path)
		if !assert.NoError(t, err) {
			return ""
		}
		defer func() { assert.NoError(t, p.Body.Close()) }()
		text, err := io.ReadAll(p.Body)
		assert.NoError(t, err)
		return strconv.Itoa(p.StatusCode) + " " + string(text)
	}
	url := slow(t, 100*time.Millisecond)
	var all sync.WaitGroup
	for i := range 50 {
		all.Add(1)
		go func() {
			defer all.Done()
			assert.Equal(t, fmt.Sprintf("200 </%d>", i), get(fmt.Sprintf("/get.php?url=%s/%d", url, i)))
			assert.Equal(t, "200 xxx", get("/fibers.php"))
			assert.Equal(t, "500 php: thrown\n", get("/throws.php"))
			assert.Equal(t, "200 left", get("/exits.php"))
		}()
	}
	all.Wait()
	require.NoError(t, s.Close())
	assert.Contains(t, get("/get.php"), "503")
	known, _ := php.Fibers()
	assert.Zero(t, known)
}

const gives = `
	class Held { function __destruct() { echo "destroyed "; } }
	register_shutdown_function(function () { echo "shutdown "; });
	$held = new Held;
	function answers($n) { return $n == 0 ? give("question") : through_go(fn () => answers($n - 1)); }
	try { %s } catch (Throwable $e) { echo "caught "; }
	echo "end ";`

// A script in a greenlet of its own, which is killed in the midst of PHP -> Go -> PHP -> Go, on
// PHP's main context and on a fiber: PHP unwinds, and the next one finds all in order.
func TestAScriptInAGreenlet(t *testing.T) {
	mine := errors.New("mine")
	kill := func(g *greenlet.Greenlet) error { return g.Kill() }
	for _, c := range []struct {
		name, code string
		then       func(g *greenlet.Greenlet) error
		want       string
		err        error
	}{
		{"goes on", `echo answers(3), " ";`, func(g *greenlet.Greenlet) error { _, err := g.Switch("answer"); return err }, "answer end shutdown destroyed ", nil},
		{"killed", `answers(3);`, kill, "shutdown destroyed ", nil},
		{"killed in a fiber", `(new Fiber(fn () => answers(3)))->start();`, kill, "shutdown destroyed ", nil},
		{"killed in a fiber's fiber", `(new Fiber(fn () => (new Fiber(fn () => answers(2)))->start()))->start();`, kill, "shutdown destroyed ", nil},
		{"killed beside a fiber", `$f = new Fiber(fn () => through_go(fn () => Fiber::suspend())); $f->start(); answers(1);`, kill, "shutdown destroyed ", nil},
		{"killed in a fiber that is destroyed", `
			$f = new Fiber(function () { try { Fiber::suspend(); } finally { answers(1); } });
			$f->start(); unset($f); while (true);`, kill, "shutdown destroyed ", nil},
		{"thrown at", `answers(3);`, func(g *greenlet.Greenlet) error { _, err := g.Throw(mine); return err }, "shutdown destroyed ", mine},
		{"another value", `answers(0);`, func(g *greenlet.Greenlet) error { _, err := g.Switch(1); return err }, "caught end shutdown destroyed ", nil},
		{"left to the end", `answers(1);`, func(*greenlet.Greenlet) error { return nil }, "shutdown destroyed ", nil},
	} {
		for range 3 {
			var out bytes.Buffer
			err := php.Do(func() error {
				g := php.New(fmt.Sprintf(gives, c.code), &out)
				v, err := g.Switch(nil)
				assert.NoError(t, err, c.name)
				assert.Equal(t, "question", v, c.name)
				runtime.GC()
				_, err = php.New("", &out).Switch(nil)
				assert.ErrorContains(t, err, "another request", c.name)
				return c.then(g)
			})
			assert.ErrorIs(t, err, c.err, c.name)
			assert.Equal(t, c.want, out.String(), c.name)
			known, _ := php.Fibers()
			assert.Zero(t, known, c.name)
		}
	}
	assert.Equal(t, "give() is for a script in a greenlet", run(t, `try { give(""); } catch (Exception $e) { echo $e->getMessage(); }`))
}

// ends is a script of some random operations on fibers that are in PHP -> Go -> PHP -> Go, the
// last of which is the script's end, somewhere inside.
func ends(seed int, end string) string {
	return fmt.Sprintf(`
		mt_srand(%d);
		class D { function __destruct() { through_go(fn () => strlen("x")); if (mt_rand(0, 3) == 0) gc_collect_cycles(); } }
		function finishes() { %s }
		function nested($depth) {
			$d = new D; $d->itself = $d;
			if (mt_rand(0, 400) == 0) return through_go('finishes');
			if ($depth == 0) return mt_rand(0, 9) == 0 ? sleep_ms(0) : Fiber::suspend();
			try { return mt_rand(0, 1) ? through_go(fn () => nested($depth - 1)) : nested($depth - 1); }
			finally { try { if (mt_rand(0, 5) == 0) (new Fiber(fn () => Fiber::suspend()))->start(); } catch (FiberError $e) {} } // while it is collected
		}
		$live = [];
		while (true) {
			$k = mt_rand(0, 9);
			$f = $live[$k] ?? null;
			try {
				if ($f === null) { $live[$k] = $f = new Fiber(function () { while (true) nested(mt_rand(0, 5)); }); $f->start(); }
				elseif ($f->isTerminated() || mt_rand(0, 9) == 0) unset($live[$k]);
				elseif (mt_rand(0, 9) == 0) $f->throw(new Exception("thrown"));
				else $f->resume();
			} catch (Exception $e) { if ($e->getMessage() == "last") throw $e; }
		}`, seed, end)
}

// A script ends in any of the ways that there are, at any place, and the next one finds all in order.
func TestRandomEnds(t *testing.T) {
	all := []struct {
		end   string
		fatal bool
	}{
		{`give("kill");`, false},
		{`give("throw");`, false},
		{`give("run on"); exit;`, false},
		{`exit;`, false},
		{`throw new Exception("last");`, true},
		{`eval("function f() {} function f() {}");`, true},
		{`str_repeat("x", 1 << 30);`, true},
		{`trigger_error("fatal", E_USER_ERROR);`, true},
		{`$f = new Fiber(fn () => eval("function f() {} function f() {}")); $f->start();`, true},
		{`undefined();`, true},
	}
	mine := errors.New("mine")
	rounds := 100
	if testing.Short() || !oneM {
		rounds = 20
	}
	_, before := php.Fibers()
	for seed := range rounds {
		c := all[seed%len(all)]
		var out bytes.Buffer
		err := php.Do(func() error {
			g := php.New(ends(seed, c.end), &out)
			for v, err := g.Switch(nil); ; v, err = g.Switch("") {
				switch {
				case g.Dead():
					return err
				case v == "kill":
					return g.Kill()
				case v == "throw":
					_, err := g.Throw(mine)
					return err
				}
				runtime.GC()
			}
		})
		switch {
		case c.end == `give("throw");`:
			assert.ErrorIs(t, err, mine, "seed %d: %s: %s", seed, c.end, &out)
		case !c.fatal:
			assert.NoError(t, err, "seed %d: %s: %s", seed, c.end, &out)
		}
		known, kept := php.Fibers()
		assert.Zero(t, known, "seed %d: %s", seed, c.end)
		if oneM {
			assert.Equal(t, before, kept)
		}
	}
	assert.Equal(t, "well", run(t, `(new Fiber(function () { sleep_ms(1); echo "well"; }))->start(); finish();`))
}

// Without adoption the same script ends the process.
func TestWithoutAdoption(t *testing.T) {
	if os.Getenv("PHP_UNADOPTED") != "" {
		php.Unadopted()
		_, err := php.Run(t.Context(), churn(2000, 30))
		t.Fatalf("it survives: %v", err)
	}
	foreigntest.Crashes(t, t.Name(), "PHP_UNADOPTED")
}

// churn is n random operations on some fibers that are in PHP -> Go -> PHP -> Go.
func churn(n, fibers int) string {
	return fmt.Sprintf(`
		mt_srand(7);
		$live = [];
		$sum = 0; $started = 0; $ended = 0; $thrown = 0;
		function body($n) {
			$x = 0;
			$local = str_repeat("x", $n %% 50);
			while (true) {
				$got = $n %% 3 == 0 ? Fiber::suspend($x) : through_go(fn () => nested($n %% 5, $x));
				if ($got === "stop") return $x;
				$x += $got;
				if (strlen($local) != $n %% 50) echo "a local was overwritten\n";
			}
		}
		function nested($depth, $x) {
			if ($depth == 0) return Fiber::suspend($x);
			return through_go(fn () => nested($depth - 1, $x));
		}
		for ($i = 0; $i < %d; $i++) {
			$k = mt_rand(0, %d - 1);
			$f = $live[$k] ?? null;
			if ($f === null) {
				$f = new Fiber('body');
				$f->start(mt_rand(0, 1000));
				$live[$k] = [$f, 0];
				$started++;
				continue;
			}
			[$fiber, $want] = $f;
			switch (mt_rand(0, 9)) {
			case 0:
				$fiber->resume("stop");
				if ($fiber->getReturn() !== $want) echo "returned {$fiber->getReturn()}, not $want\n";
				unset($live[$k]);
				$ended++;
				break;
			case 1:
				try { $fiber->throw(new Exception("thrown")); echo "not thrown\n"; } catch (Exception $e) { $thrown++; }
				unset($live[$k]);
				break;
			case 2:
				$f = $fiber = null;
				unset($live[$k]);
				break;
			case 3:
				if (mt_rand(0, 20) == 0) gc_collect_cycles();
				// and on
			default:
				$v = mt_rand(1, 100);
				$got = $fiber->resume($v);
				$live[$k][1] = $want + $v;
				if ($got !== $want + $v) echo "got $got, not ", $want + $v, "\n";
			}
		}
		$f = $fiber = null;
		$live = null;
		echo $started > 0 && $ended > 0 && $thrown > 0 ? "done" : "not everything happened";`, n, fibers)
}

func TestChurn(t *testing.T) {
	n := 20000
	if testing.Short() || !oneM {
		n = 4000
	}
	stop := make(chan struct{})
	var collector sync.WaitGroup
	collector.Add(1)
	go func() {
		defer collector.Done()
		for {
			select {
			case <-stop:
				return
			case <-time.After(5 * time.Millisecond):
				runtime.GC()
			}
		}
	}()
	assert.Equal(t, "done", run(t, churn(n, 300)))
	close(stop)
	collector.Wait()
}

// 100,000 fibers that wait for Go once are made and freed, in the same memory.
func TestFibersLeaveNothingBehind(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector keeps 5 KB of each coroutine that has ended, iter.Pull's too")
	}
	rounds, fibers := 10, 10000
	if testing.Short() {
		rounds = 2
	}
	if !oneM {
		fibers = 500
	}
	code := fmt.Sprintf(`
		for ($i = 0; $i < %d; $i++) {
			$f = new Fiber(fn () => through_go(fn () => Fiber::suspend(1)));
			$f->start();
			if ($i %% 2) $f->resume(2);
		}
		echo memory_get_usage() < 4 << 20 ? "flat" : memory_get_usage();`, fibers)
	assert.Equal(t, "flat", run(t, code))
	before := resident(t)
	for range rounds {
		assert.Equal(t, "flat", run(t, code))
	}
	assert.Less(t, resident(t), before+8<<20)
}

// resident is the process's memory, in bytes.
func resident(t *testing.T) int {
	runtime.GC()
	text, err := os.ReadFile("/proc/self/statm")
	require.NoError(t, err)
	pages, err := strconv.Atoi(strings.Fields(string(text))[1])
	require.NoError(t, err)
	return pages * os.Getpagesize()
}
