//go:build !race && !asan

package tasklet_test

const instrumented = false
