// Package expat makes an iterator of expat, an XML parser that calls back (SAX), and
// walks two documents in lockstep. It has something in it with the build tag
// greenlet_foreign, and then needs expat (in Debian libexpat1-dev): make test-foreign.
package expat
