// Package local has the examples' HTTP on this machine.
package local

import (
	"io"
	"log"
	"net"
	"net/http"
)

// Get returns what a GET gets, or the error's text.
func Get(url string) string {
	p, err := http.Get(url)
	if err != nil {
		return err.Error()
	}
	defer func() { _ = p.Body.Close() }() // it was only read
	text, err := io.ReadAll(p.Body)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// Serve serves on a port of its own until the program ends.
func Serve(h http.Handler) (url string, err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	go func() { log.Fatal(http.Serve(l, h)) }()
	return "http://" + l.Addr().String(), nil
}
