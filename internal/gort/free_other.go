//go:build !(cgo && linux && (amd64 || arm64))

package gort

const savedSPAt = 0
