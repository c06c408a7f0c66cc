//go:build asan && cgo && linux

package handle_test

const asan = true
