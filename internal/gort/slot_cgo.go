//go:build cgo && linux

package gort

//lint:file-ignore U1000 staticcheck does not read assembly

// inTLS says to the assembly that g is in thread-local storage, too, on CPUs that have a
// register for it: where the runtime has C (iscgo; save_g, tls_*.s). Without C, threads have
// none there.
const inTLS = 1
