// Package sanitize tests the C core, without Go, under the C compiler's sanitizers
// and valgrind.
package sanitize
