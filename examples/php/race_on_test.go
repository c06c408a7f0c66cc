//go:build greenlet_php && race

package php_test

const raceEnabled = true
