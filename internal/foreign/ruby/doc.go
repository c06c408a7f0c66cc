// Package ruby adopts Ruby's fibers by the pattern boundary of csrc/fiber.h: Ruby says to nobody
// when it switches, so Go is told who runs only where Ruby calls Go, and where Go calls Ruby. It
// has something in it with the build tag greenlet_foreign, and then needs Ruby as a library (in
// Debian ruby-dev): make test-foreign.
package ruby
