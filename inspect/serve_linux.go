package inspect

import (
	"context"
	"net"
	"syscall"
)

// listenPrivately makes a socket that only its owner may open. It has these permissions from
// its first moment on: bind takes them from the socket itself.
func listenPrivately(file string) (net.Listener, error) {
	c := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		var failed error
		if err := c.Control(func(fd uintptr) { failed = syscall.Fchmod(int(fd), 0o600) }); err != nil {
			return err
		}
		return failed
	}}
	return c.Listen(context.Background(), "unix", file)
}
