//go:build greenlet_php && !race

package php_test

const raceEnabled = false
