// Package pcl tests the adoption of the coroutines of PCL, the Portable Coroutine
// Library. It has something in it with the build tag greenlet_foreign, and then
// needs the library (in Debian libpcl1-dev): make test-foreign.
package pcl
