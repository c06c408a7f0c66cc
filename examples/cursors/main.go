//go:build cgo && linux

// Command cursors is a server that keeps many open cursors: iterators from which each client
// takes a page now and then. Each has a goroutine of its own, which waits for its client most
// of the time. The command prints how many threads that takes: hardly any for iterators in Go, and
// one for each iterator that is suspended in C, since C frames stay on their thread.
package main

import (
	"flag"
	"fmt"
	"iter"
	"os"
	"sync"
	"time"

	"github.com/go-greenlet/greenlet"
	"github.com/go-greenlet/greenlet/examples/libc"
)

func main() {
	n := flag.Int("n", 10_000, "cursors")
	inC := flag.Bool("c", false, "over the files that nftw(3) finds, in place of a range in Go")
	rounds := flag.Int("rounds", 5, "pages that each client takes")
	flag.Parse()
	source := rows
	if *inC {
		source = files
	}
	start := time.Now()
	s := Open(*n, source)
	fmt.Printf("%d cursors are open after %v: %d threads\n", *n, time.Since(start).Round(time.Millisecond), Threads())
	start = time.Now()
	got := 0
	for range *rounds {
		got += s.Pages()
	}
	fmt.Printf("%d pages in %v: %d rows\n", *n**rounds, time.Since(start).Round(time.Millisecond), got)
	s.Close()
}

// page is how many rows a client takes at a time.
const page = 10

// rows returns an endless iterator in Go.
func rows() iter.Seq[string] {
	return func(yield func(string) bool) {
		for i := 0; yield(fmt.Sprint("row ", i)); i++ {
		}
	}
}

// files returns an iterator in C, over the files of a directory that has enough for some pages.
func files() iter.Seq[string] {
	return func(yield func(string) bool) {
		for path := range libc.Walk("/usr") {
			if !yield(path) {
				return
			}
		}
	}
}

// A Server has the cursors.
type Server struct {
	asked []chan chan []string // requests of each cursor: the channel to which it sends the next page; closed: the cursor ends
	all   sync.WaitGroup       // the cursors' goroutines
}

// Open starts n cursors and takes the first row from each, so that each iterator is suspended.
func Open(n int, source func() iter.Seq[string]) *Server {
	s := &Server{asked: make([]chan chan []string, n)}
	var up sync.WaitGroup
	for i := range s.asked {
		s.asked[i] = make(chan chan []string)
		s.all.Add(1)
		up.Add(1)
		go func() {
			defer s.all.Done()
			next, stop := greenlet.Pull(source())
			defer stop()
			next()
			up.Done()
			for to := range s.asked[i] {
				var rows []string
				for range page {
					if row, ok := next(); ok {
						rows = append(rows, row)
					}
				}
				to <- rows
			}
		}()
	}
	up.Wait()
	return s
}

// Pages takes a page from each cursor, one after the other, and returns the number of rows.
func (s *Server) Pages() (rows int) {
	to := make(chan []string)
	for _, asked := range s.asked {
		asked <- to
		rows += len(<-to)
	}
	return rows
}

// Close ends all cursors and waits for their goroutines.
func (s *Server) Close() {
	for _, asked := range s.asked {
		close(asked)
	}
	s.all.Wait()
}

// Threads returns the number of threads of the process; -1 if it is not known.
func Threads() int {
	all, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return -1
	}
	return len(all)
}
