package main

import (
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func Example() {
	waits, err := Bank{Arrivals: 2.5, Service: 1, Tellers: 3, Customers: 5, Seed: 4}.Simulate()
	if err != nil {
		fmt.Println(err)
	}
	for i, w := range waits {
		fmt.Printf("customer %d waits %.2f\n", i+1, w)
	}
	// Output:
	// customer 1 waits 0.00
	// customer 2 waits 0.00
	// customer 3 waits 0.00
	// customer 4 waits 0.10
	// customer 5 waits 0.02
}

// The mean wait is what queueing theory says, within the confidence interval of
// 99.9 %, from the means of batches, which hardly depend on each other.
func TestTheWaitIsWhatTheorySays(t *testing.T) {
	customers := 400_000
	if testing.Short() {
		customers = 20_000
	}
	for _, b := range []Bank{
		{Arrivals: 0.6, Service: 1, Tellers: 1},
		{Arrivals: 2.1, Service: 1, Tellers: 3},
		{Arrivals: 8, Service: 1, Tellers: 10},
	} {
		t.Run(fmt.Sprint(b.Tellers, " tellers"), func(t *testing.T) {
			b.Customers, b.Seed = customers, 1
			waits, err := b.Simulate()
			require.NoError(t, err)
			waits = waits[customers/20:] // the bank is empty at first
			const batches = 30
			n := len(waits) / batches
			mean, square := 0.0, 0.0
			for i := range batches {
				batch := 0.0
				for _, w := range waits[i*n : (i+1)*n] {
					batch += w / float64(n)
				}
				mean += batch / batches
				square += batch * batch / batches
			}
			deviation := math.Sqrt((square - mean*mean) / (batches - 1))
			const student = 3.66 // 29 degrees of freedom, 99.9 %
			t.Logf("%.4f, in theory %.4f; half of the interval: %.4f", mean, b.ErlangC(), student*deviation)
			assert.InDelta(t, b.ErlangC(), mean, student*deviation)
			if testing.Short() {
				return
			}
			assert.Less(t, student*deviation, b.ErlangC()/2, "the interval says nothing")
		})
	}
}

// Whoever comes first is served first: the queue is fair.
func TestCustomersAreServedInOrder(t *testing.T) {
	b := Bank{Arrivals: 2.9, Service: 1, Tellers: 3, Customers: 10_000, Seed: 2}
	came, waits, err := b.simulate()
	require.NoError(t, err)
	queued := 0
	for i := 1; i < len(waits); i++ {
		require.GreaterOrEqual(t, came[i]+waits[i], came[i-1]+waits[i-1], "customer %d", i)
		if waits[i] > 0 {
			queued++
		}
	}
	assert.Greater(t, queued, len(waits)/2, "too few had to wait")
}

func TestWhatCannotBeSimulatedIsRefused(t *testing.T) {
	good := Bank{Arrivals: 2, Service: 1, Tellers: 3, Customers: 1}
	assert.True(t, good.Stable())
	for name, spoil := range map[string]func(b *Bank){
		"no arrivals":       func(b *Bank) { b.Arrivals = 0 },
		"arrivals NaN":      func(b *Bank) { b.Arrivals = math.NaN() },
		"arrivals infinite": func(b *Bank) { b.Arrivals = math.Inf(1) },
		"service NaN":       func(b *Bank) { b.Service = math.NaN() },
		"service infinite":  func(b *Bank) { b.Service = math.Inf(1) },
		"both infinite":     func(b *Bank) { b.Arrivals, b.Service = math.Inf(1), math.Inf(1) },
		"too few tellers":   func(b *Bank) { b.Tellers = 2 },
		"no tellers":        func(b *Bank) { b.Tellers = 0 },
		"no customers":      func(b *Bank) { b.Customers = 0 },
	} {
		b := good
		spoil(&b)
		assert.False(t, b.Stable(), name)
	}
}

func TestTheSameSeedGivesTheSame(t *testing.T) {
	b := Bank{Arrivals: 2, Service: 1, Tellers: 3, Customers: 1000, Seed: 5}
	one, err := b.Simulate()
	require.NoError(t, err)
	two, err := b.Simulate()
	require.NoError(t, err)
	assert.Equal(t, one, two)
	b.Seed++
	other, err := b.Simulate()
	require.NoError(t, err)
	assert.NotEqual(t, one, other)
}
