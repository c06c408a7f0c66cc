//go:build greenlet_unknown

package greenlet_test

// unknown says that the layout table is empty, as for a version of Go that nobody has seen yet.
const unknown = true
