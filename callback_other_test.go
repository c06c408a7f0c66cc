//go:build !windows

package greenlet_test

import "github.com/go-greenlet/greenlet/internal/cgotest"

// hasCallbacks says whether something that is not Go calls Go functions.
const hasCallbacks = cgotest.Available

// calledBack has C call f.
func calledBack(f func()) { cgotest.Call(f) }

// calledBackOnThread has C call f on a thread that C makes for it.
func calledBackOnThread(f func()) error { return cgotest.OnThread(f) }
