//go:build !(linux && (amd64 || arm64 || riscv64)) && !(windows && amd64 && !cgo)

package gort

const savedSPAt = 0
