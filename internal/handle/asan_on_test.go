//go:build asan

package handle_test

const asan = true
