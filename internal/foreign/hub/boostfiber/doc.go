// Package boostfiber is boost.fiber, in package hub. It has something in it with the build tag
// greenlet_foreign, and then needs that library (in Debian libboost-fiber-dev).
package boostfiber
