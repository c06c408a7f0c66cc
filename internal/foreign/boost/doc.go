// Package boost tests the adoption of boost.context's coroutines. It has something
// in it with the build tag greenlet_foreign, and then needs the library (in Debian
// libboost-context-dev): make test-foreign.
package boost
