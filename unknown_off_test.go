//go:build !greenlet_unknown

package greenlet_test

const unknown = false
