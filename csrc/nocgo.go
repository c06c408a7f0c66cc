//go:build !cgo

package csrc

// The compiler's complaint about this name is the message.
var _ = greenlet_needs_cgo__set_CGO_ENABLED_1_and_install_a_C_compiler
