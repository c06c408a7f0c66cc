//go:build greenlet_foreign && !asan && cgo && linux

// Not with the look for leaks of AddressSanitizer: Ruby frees nothing at its end.

package ruby_test

import (
	"os"
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-greenlet/greenlet/internal/foreign/foreigntest"
	"github.com/go-greenlet/greenlet/internal/foreign/ruby"
)

// call calls the block twice, within Go frames whose locals are looked at.
func call(n int, block func(int) (int, bool)) int {
	var room [512]byte
	for i := range room {
		room[i] = byte(n)
	}
	if n > 10 {
		return call(n-10, block) + 10
	}
	sum := 0
	for i := range 2 {
		v, ok := block(n + i)
		if !ok {
			return -1
		}
		sum += v
	}
	if n == 3 {
		runtime.GC()
	}
	for _, b := range room {
		if b != byte(n) {
			return -2
		}
	}
	return sum
}

// Fibers that are in Ruby -> Go -> Ruby (-> Go -> Ruby), and go on in random order.
const script = `
random = Random.new(5)
body = proc do |i|
  sum = 0
  40.times do |k|
    n = (i * 7 + k) % 35
    got = go(n) { |j| Fiber.yield(k); j > 4 ? j : go(j) { |l| Fiber.yield(-k); l } }
    m = n
    m -= 10 while m > 10
    want = (n - m) + [m, m + 1].sum { |j| j > 4 ? j : 2 * j + 1 }
    raise "got #{got}, not #{want}, of #{n}" if got != want
    sum += got
  end
  sum
end
live = (0...30).map { |i| f = Fiber.new(&body); [f, i] }
thrown = 0
until live.empty?
  k = random.rand(live.size)
  f, i = live[k]
  if random.rand(200) == 0 && i > 0 # who has not begun has a 0
    begin
      f.raise("thrown")
    rescue RuntimeError, FiberError
      thrown += 1
    end
  else
    f.resume(i)
  end
  live.delete_at(k) unless f.alive?
  GC.start if random.rand(300) == 0
end
raise "nothing was thrown" if thrown == 0
`

func TestFibersOfRuby(t *testing.T) {
	for range 2 {
		require.NoError(t, ruby.Run(script, true, call))
	}
}

func TestErrorsOfRuby(t *testing.T) {
	err := ruby.Run(`Fiber.new { go(1) { raise "in a block" } }.resume`, true, call)
	assert.EqualError(t, err, "ruby: in a block")
	require.NoError(t, ruby.Run(`raise "no" unless go(1) { |i| i } == 3`, true, call))
}

// Fibers that nobody resumes any more are freed with Go frames on them.
func TestFibersThatAreForgotten(t *testing.T) {
	require.NoError(t, ruby.Run(`
		500.times { |i| Fiber.new { go(i % 9) { Fiber.yield } }.resume; GC.start if i % 100 == 99 }
		GC.start`, true, call))
}

func TestWithoutAdoption(t *testing.T) {
	if os.Getenv("RUBY_UNADOPTED") != "" {
		err := ruby.Run(script, false, call)
		t.Fatalf("it survives: %v", err)
	}
	foreigntest.Crashes(t, t.Name(), "RUBY_UNADOPTED")
}
