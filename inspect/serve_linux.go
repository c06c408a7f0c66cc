package inspect

import (
	"context"
	"net"
	"syscall"
)

// listenPrivately listens on a socket that only its owner may open. fchmod before bind makes the
// file appear with these permissions, because bind takes the file's mode from the socket's inode.
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
