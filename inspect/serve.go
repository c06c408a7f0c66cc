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

// TokenVariable is the environment variable with the token that Serve asks for, and that the
// command greenlet sends.
const TokenVariable = "GREENLET_INSPECT_TOKEN"

// Serve serves the page until ctx is done, and returns what has ended it: nil if that was ctx.
//
// addr is "unix:PATH", a socket that only the process's own user may open and that is removed
// at the end; or HOST:PORT of loopback. There, every request has to bring a token: as
// ?token=TOKEN, which the page remembers in a cookie, or as a header "Authorization: Bearer
// TOKEN". It is what GREENLET_INSPECT_TOKEN has in the environment, or what follows a "?token="
// in addr; if there is none, Serve makes one. In each case it writes the page's address to
// standard error. Any other address is an error.
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

// listenSocket listens on a socket that nobody else may open; on Linux at no time, elsewhere
// not for long. One that is left by a process that has gone is replaced.
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

// guard lets nobody in without the token. To a browser all ports of a host are one, as far as
// cookies go: so each has one of its own name, and no other server's pages get it but those of
// the same path.
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
