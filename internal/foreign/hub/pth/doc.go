// Package pth is GNU Pth, in package hub. It has something in it with the build tag
// greenlet_foreign, and then needs that library (in Debian libpth-dev).
package pth
