//go:build greenlet_php && cgo && linux

// Command demo shows what PHP fibers do whose calls Go answers: make php.
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/go-greenlet/greenlet/examples/internal/local"
	"github.com/go-greenlet/greenlet/examples/php"
)

const delay = 200 * time.Millisecond

const fibers = `
	$t = microtime(true);
	$n = 0;
	for ($i = 0; $i < 100; $i++) {
		(new Fiber(function () use ($i, &$n) {
			$a = http_get("%[1]s/$i");        // looks blocking, and is one to this fiber
			$b = http_get("%[1]s/again$a");
			$n += $b === "/again/$i";
		}))->start();
	}
	finish();
	printf("   %%d fibers, 2 requests of 200 ms each: %%.2f s\n", $n, microtime(true) - $t);`

const nested = `
	function ask($sql) {                      // PHP -> Go -> PHP -> Go, which suspends the fiber there
		return through_go(fn () => query($sql)[0][0]);
	}
	foreach (["select 6 * 7", "select sqlite_version() > ''"] as $sql) {
		(new Fiber(function () use ($sql) { $answer = ask($sql); echo "   $sql: $answer\n"; }))->start();
	}
	(new Fiber(function () {
		try { through_go(fn () => go_panic("of Go")); } catch (Exception $e) { echo "   an exception: ", $e->getMessage(), "\n"; }
	}))->start();
	gc_collect_cycles();
	finish();`

const page = `<?php echo "hello from $request, ", http_get("%s/inner");`

func main() {
	if err := show(os.Stdout); err != nil {
		log.Fatal(err)
	}
}

func show(out io.Writer) error {
	slow, err := local.Serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(delay)
		fmt.Fprint(w, r.URL.Path)
	}))
	if err != nil {
		return err
	}
	for _, scene := range []struct{ title, code string }{
		{"1. Functions of Go that look blocking suspend one PHP fiber, on one thread", fmt.Sprintf(fibers, slow)},
		{"2. Go frames in the middle: PHP calls Go, which calls PHP, which calls Go", nested},
	} {
		text, err := php.Run(context.Background(), scene.code)
		if err != nil {
			return fmt.Errorf("%w: %s", err, text)
		}
		fmt.Fprintf(out, "%s\n\n%s\n", scene.title, text)
	}
	return pages(out, slow)
}

// pages runs a script for each request of a server.
func pages(out io.Writer, slow string) error {
	dir, err := os.MkdirTemp("", "greenlet-php-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }() // it is the system's to clean up, too
	if err := os.WriteFile(filepath.Join(dir, "page.php"), []byte(fmt.Sprintf(page, slow)), 0o600); err != nil {
		return err
	}
	s, err := php.NewServer(dir)
	if err != nil {
		return err
	}
	web, err := local.Serve(s)
	if err != nil {
		return err
	}
	const n = 50
	start := time.Now()
	var all sync.WaitGroup
	answers := make([]string, n)
	for i := range n {
		all.Add(1)
		go func() {
			defer all.Done()
			answers[i] = local.Get(fmt.Sprintf("%s/page.php?%d", web, i))
		}()
	}
	all.Wait()
	fmt.Fprintf(out, "3. A net/http handler runs a script per request, all of them at once\n\n   %s\n   %s\n   %d such in %.2f s\n",
		answers[0], answers[n-1], n, time.Since(start).Seconds())
	return s.Close()
}
