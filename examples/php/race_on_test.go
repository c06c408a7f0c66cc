//go:build greenlet_php && race && cgo && linux

package php_test

const raceEnabled = true
