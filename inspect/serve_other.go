//go:build !linux

package inspect

import (
	"errors"
	"net"
	"os"
)

// listenPrivately listens on a socket that only its owner may open once this has returned. Before
// the chmod the file has the permissions that the umask leaves.
func listenPrivately(file string) (net.Listener, error) {
	l, err := net.Listen("unix", file)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(file, 0o600); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}
