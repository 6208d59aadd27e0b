package servers

import (
	"context"
	"crypto/subtle"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Options of every server; the zero value needs no credentials.
type Options struct {
	// Username and Password protect the whole server with basic authentication when set.
	Username, Password string
	// TLS serves https with these certificates; nil serves http.
	TLS *tls.Config
	// Trust is what those who fill the server from here accept of it; it goes with TLS.
	Trust *x509.CertPool
	// Tokens makes a registry want tokens of that server, instead of the user name and the password, which the server
	// wants then.
	Tokens *TokenServer
	// Referrers adds the referrers API to a registry, which is without it otherwise.
	Referrers bool
	// Intercept sees every request before the server does, after it has been counted, and returns true when it has
	// answered it: for faults that no real server produces.
	Intercept func(w http.ResponseWriter, r *http.Request) bool
}

// server is what all servers have in common.
type server struct {
	opts Options
	http *http.Server
	addr string

	mu   sync.Mutex
	seen []string
}

// start serves a handler on a free port. guarded adds the basic authentication.
func start(o Options, guarded bool, h http.Handler) (*server, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listening: %w", err)
	}
	s := &server{opts: o, addr: listener.Addr().String()}
	s.http = &http.Server{
		Handler:           s.wrap(guarded, h),
		ReadHeaderTimeout: 30 * time.Second,
		ErrorLog:          log.New(io.Discard, "", 0),
	}
	if o.TLS != nil {
		listener = tls.NewListener(listener, o.TLS)
	}
	go func() { _ = s.http.Serve(listener) }()
	return s, nil
}

func (s *server) wrap(guarded bool, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.seen = append(s.seen, r.Method+" "+r.URL.Path)
		s.mu.Unlock()
		if s.opts.Intercept != nil && s.opts.Intercept(w, r) {
			return
		}
		if guarded && s.opts.Username != "" && !s.allowed(r) {
			w.Header().Set("WWW-Authenticate", `Basic realm="upstream"`)
			http.Error(w, "unauthorized", http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (s *server) allowed(r *http.Request) bool {
	name, password, ok := r.BasicAuth()
	return ok && subtle.ConstantTimeCompare([]byte(name+":"+password), []byte(s.opts.Username+":"+s.opts.Password)) == 1
}

// transport is for those who fill the server.
func (o Options) transport() http.RoundTripper {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.TLSClientConfig = &tls.Config{RootCAs: o.Trust, MinVersion: tls.VersionTLS12}
	return t
}

// base is the beginning of the URLs of the server.
func (s *server) base() string {
	if s.opts.TLS != nil {
		return "https://" + s.addr
	}
	return "http://" + s.addr
}

// Host is the address the server listens on, as host:port.
func (s *server) Host() string { return s.addr }

// Requests counts the requests so far, by method.
func (s *server) Requests() map[string]int {
	counts := map[string]int{}
	for _, line := range s.Seen() {
		method, _, _ := strings.Cut(line, " ")
		counts[method]++
	}
	return counts
}

// Seen lists the requests so far as "METHOD /path", in the order they came.
func (s *server) Seen() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.seen...)
}

// Forget sets the counts to zero.
func (s *server) Forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen = nil
}

// Close stops the server. Requests that are under way get a second to finish.
func (s *server) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if err := s.http.Shutdown(ctx); err != nil {
		return errors.Join(s.http.Close())
	}
	return nil
}
