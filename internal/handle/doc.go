// Package handle lets C code hold a reference to a Go value.
//
// The references are made by github.com/mattn/go-pointer, which hands out the
// addresses of one-byte C allocations and keeps a table from them to Go values.
// Such an address can come back from malloc after it was freed, and then a stale
// reference names somebody else's value. So every handle also carries a
// generation, in bits that such an address does not use, and the table's entry
// carries it too: a stale handle is an error.
package handle
