package inspect

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"time"
)

// TokenVariable names the environment variable with the token that Serve requires and that the
// command greenlet sends.
const TokenVariable = "GREENLET_INSPECT_TOKEN"

// Serve serves the page until ctx is done, and then returns nil. It returns earlier, with an
// error, if it cannot listen or the server fails.
//
// addr is "unix:PATH", a socket that only the process's own user may open and that is removed
// at the end; or HOST:PORT, where HOST is loopback. On a port, every request has to have a token:
// as ?token=TOKEN, which the page remembers in a cookie, or as a header "Authorization: Bearer
// TOKEN". The token is the part of addr after "?token="; without that, the value of the
// environment variable GREENLET_INSPECT_TOKEN; and if that is empty, a random one. In each case
// Serve writes the page's address, with the token, to standard error. Any other address is an
// error.
func Serve(ctx context.Context, addr string) error {
	l, handler, err := listen(addr)
	if err != nil {
		return err
	}
	s := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: time.Minute,
		BaseContext: func(net.Listener) context.Context { return ctx }}
	stopped := context.AfterFunc(ctx, func() { _ = s.Close() })
	defer stopped()
	if err := s.Serve(l); ctx.Err() == nil {
		return fmt.Errorf("inspect: %w", err)
	}
	return nil
}

func listen(addr string) (net.Listener, http.Handler, error) {
	mux := http.NewServeMux()
	mux.Handle(path, Handler())
	mux.Handle(path+"/", Handler())
	mux.Handle("/{$}", http.RedirectHandler(path, http.StatusFound))
	if file, ok := strings.CutPrefix(addr, "unix:"); ok {
		l, err := listenSocket(file)
		if err != nil {
			return nil, nil, fmt.Errorf("inspect: cannot listen on the socket %s: %w", file, err)
		}
		return l, mux, nil
	}
	addr, token, given := strings.Cut(addr, "?token=")
	if !given {
		token = os.Getenv(TokenVariable)
	}
	if token == "" {
		token = rand.Text()
	}
	if err := loopback(addr); err != nil {
		return nil, nil, fmt.Errorf("inspect: cannot listen on %q: %w", addr, err)
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, nil, fmt.Errorf("inspect: %w", err)
	}
	fmt.Fprintf(os.Stderr, "greenlets: http://%s%s?token=%s\n", l.Addr(), path, token)
	return l, guard(token, l.Addr().(*net.TCPAddr).Port, mux), nil
}

// listenSocket listens on a socket that only the process's user may open. On Linux that holds from
// the moment at which the file exists; elsewhere there is a short time before chmod. A socket
// that refuses connections was left by a process that has ended, and is replaced.
func listenSocket(file string) (net.Listener, error) {
	if file == "" || file[0] == '@' {
		return nil, errors.New("a socket without a file has no permissions")
	}
	if info, err := os.Lstat(file); err == nil {
		if info.Mode().Type() != os.ModeSocket {
			return nil, errors.New("there is a file of that name, which is no socket")
		}
		if c, err := net.Dial("unix", file); err == nil {
			_ = c.Close()
			return nil, errors.New("somebody listens there")
		}
		if err := os.Remove(file); err != nil {
			return nil, err
		}
	}
	return listenPrivately(file)
}

func loopback(addr string) error {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Errorf("%w; it is unix:PATH, or HOST:PORT of loopback", err)
	}
	ips, err := net.LookupIP(host)
	if err != nil {
		return err
	}
	for _, ip := range ips {
		if !ip.IsLoopback() {
			return fmt.Errorf("%s is not loopback; the page is for this machine only", host)
		}
	}
	if len(ips) == 0 {
		return fmt.Errorf("%q has no address", host)
	}
	return nil
}

// guard refuses requests that do not have the token. Browsers do not keep the cookies of a host's
// ports apart (RFC 6265, section 8.5), so the cookie's name has the port, and its path is the
// page's: another server on this host gets the cookie only for requests below the same path.
func guard(token string, port int, next http.Handler) http.Handler {
	cookie := fmt.Sprintf("greenlet_inspect_%d", port)
	same := func(s string) bool { return subtle.ConstantTimeCompare([]byte(s), []byte(token)) == 1 }
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		bearer, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		var kept string
		if c, err := r.Cookie(cookie); err == nil {
			kept = c.Value
		}
		query := r.URL.Query().Get("token")
		if !same(bearer) && !same(kept) && !same(query) {
			http.Error(w, "This page needs a token: the process has written its address, with the token, to its standard error.", http.StatusForbidden)
			return
		}
		if same(query) {
			http.SetCookie(w, &http.Cookie{Name: cookie, Value: token, Path: path, HttpOnly: true, SameSite: http.SameSiteStrictMode})
		}
		next.ServeHTTP(w, r)
	})
}
