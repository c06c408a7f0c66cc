package main

import (
	"flag"
	"fmt"
	"math"
	"os"
)

func main() {
	b := Bank{}
	flag.Float64Var(&b.Arrivals, "arrivals", 2.1, "customers that come in a minute")
	flag.Float64Var(&b.Service, "service", 1, "customers that a teller serves in a minute")
	flag.IntVar(&b.Tellers, "tellers", 3, "tellers")
	flag.IntVar(&b.Customers, "customers", 100_000, "customers in all")
	flag.Uint64Var(&b.Seed, "seed", 1, "of the random numbers")
	flag.Parse()
	if !b.Stable() {
		fmt.Fprintln(os.Stderr, "bank: there must be customers, and tellers enough for them; all rates are finite numbers above 0")
		os.Exit(2)
	}
	waits, err := b.Simulate()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bank:", err)
		os.Exit(1)
	}
	sum, longest := 0.0, 0.0
	for _, w := range waits {
		sum += w
		longest = max(longest, w)
	}
	fmt.Printf("%d customers, %d tellers: a wait of %.3f minutes on average, %.1f at most\n",
		b.Customers, b.Tellers, sum/float64(b.Customers), longest)
	fmt.Printf("queueing theory (M/M/c): %.3f minutes on average\n", b.ErlangC())
}

// Stable says whether there is something to simulate, and the queue does not grow for
// ever. NaN compares as false.
func (b Bank) Stable() bool {
	return b.Arrivals > 0 && b.Service <= math.MaxFloat64 && b.Tellers >= 1 && b.Customers >= 1 &&
		b.Arrivals < b.Service*float64(b.Tellers)
}

// ErlangC is the mean wait in theory, in a queue of type M/M/c.
func (b Bank) ErlangC() float64 {
	load := b.Arrivals / b.Service
	term, sum := 1.0, 0.0 // load^k / k!
	for k := range b.Tellers {
		sum += term
		term *= load / float64(k+1)
	}
	term /= 1 - load/float64(b.Tellers)
	return term / (sum + term) / (float64(b.Tellers)*b.Service - b.Arrivals)
}
