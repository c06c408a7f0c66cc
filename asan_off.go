//go:build !asan && !msan

package greenlet

const asanEnabled = false
