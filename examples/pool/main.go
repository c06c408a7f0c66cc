package main

import (
	"flag"
	"fmt"
	"math/bits"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

func main() {
	n := flag.Int("n", 12, "queens")
	workers := flag.Int("workers", runtime.GOMAXPROCS(0), "goroutines that run tasks")
	flag.Parse()
	if *n < 1 || *n > 16 || *workers < 1 {
		fmt.Fprintln(os.Stderr, "pool: there are from 1 to 16 queens, and one worker at least")
		os.Exit(2)
	}
	start := time.Now()
	solutions, tasks, stolen, err := Run(*workers, Board{n: *n}.task)
	took := time.Since(start)
	if err != nil {
		fmt.Fprintln(os.Stderr, "pool:", err)
		os.Exit(1)
	}
	fmt.Printf("%d queens: %d solutions, by %d tasks on %d workers, of which %d were stolen\n", *n, solutions, tasks, *workers, stolen)
	start = time.Now()
	same := Board{n: *n}.goroutines()
	fmt.Printf("tasks on greenlets: %v, goroutines that wait for each other: %v\n", took.Round(time.Millisecond), time.Since(start).Round(time.Millisecond))
	if same != solutions {
		fmt.Fprintf(os.Stderr, "pool: goroutines have found %d\n", same)
		os.Exit(1)
	}
}

// A Board has a queen in each of its first rows.
type Board struct {
	n, row            int    // its size, and how many queens it has
	columns, down, up uint32 // bit sets: the columns, and the diagonals in the next row, that the queens attack
}

// forks is the number of rows in which each board is a task of its own; a task counts the rest in a
// loop.
const forks = 5

// next calls f with each board that has one queen more and on which no two queens attack each other.
func (b Board) next(f func(Board)) {
	for free := (1<<b.n - 1) &^ (b.columns | b.down | b.up); free != 0; free &= free - 1 {
		q := uint32(1) << bits.TrailingZeros32(free)
		f(Board{b.n, b.row + 1, b.columns | q, (b.down | q) << 1, (b.up | q) >> 1})
	}
}

func (b Board) count() (n int64) {
	if b.row == b.n {
		return 1
	}
	b.next(func(c Board) { n += c.count() })
	return n
}

func (b Board) task(t *Task) int64 {
	if b.row == min(forks, b.n) {
		return b.count()
	}
	b.next(func(c Board) { t.Fork(c.task) })
	return t.Wait()
}

// goroutines counts the same with a goroutine for each task.
func (b Board) goroutines() int64 {
	if b.row == min(forks, b.n) {
		return b.count()
	}
	var sum atomic.Int64
	var all sync.WaitGroup
	b.next(func(c Board) {
		all.Add(1)
		go func() {
			defer all.Done()
			sum.Add(c.goroutines())
		}()
	})
	all.Wait()
	return sum.Load()
}
