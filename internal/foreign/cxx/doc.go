// Package cxx tests C++ exceptions in greenlets: they stay with the greenlet that
// handles them, and end at its body. It has something in it with the build tag
// greenlet_foreign, and then needs a C++ compiler (in Debian g++): make test-foreign.
package cxx
