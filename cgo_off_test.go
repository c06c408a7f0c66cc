//go:build !cgo

package greenlet_test

const cgoEnabled = false
