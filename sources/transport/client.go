package transport

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/sources"
)

// UserAgent is how every request introduces itself.
const UserAgent = "fairlead"

const (
	dialTimeout   = 10 * time.Second
	tlsTimeout    = 10 * time.Second
	headerTimeout = 60 * time.Second
	idleConn      = 90 * time.Second
	idleBody      = 60 * time.Second
	perHostIdle   = 8
	perHostConns  = 32
	headerBytes   = 1 << 20
)

// Options of a client; the zero value is what most upstreams need.
type Options struct {
	// CA holds PEM certificates that are trusted instead of those of the system.
	CA []byte
	// Certificate and Key are the PEM certificate and private key that the client shows to those who ask for one. A pair that
	// does not fit is left out; [ReadTLS] tells.
	Certificate, Key []byte
	// Proxy uses the proxy of the environment. The proxy then resolves names, so only its own address is checked.
	Proxy bool
}

// setting is what makes a connection pool different from another one.
type setting struct {
	ca     [sha256.Size]byte
	client [sha256.Size]byte
	proxy  bool
}

// pools holds the one pool per setting of this process: connections are worth sharing between all sources of a host.
var pools = struct {
	sync.Mutex
	all map[setting]*http.Transport
}{all: map[setting]*http.Transport{}}

// New returns a client. Clients with equal options share their connections, so making one is cheap. It has no timeout of
// its own for a whole exchange: that is the context's, and a request without any end is still cut off when upstream stays
// silent for a minute. A CA without a certificate in it trusts nobody; [CheckCA] tells.
func New(o Options) *http.Client {
	return &http.Client{Transport: &trip{base: pool(o), silence: idleBody}, CheckRedirect: checkRedirect}
}

// CheckCA tells whether PEM text holds a certificate at all: an Error with reason AuthenticationFailed, stalled, if not.
func CheckCA(pem []byte) error {
	if !x509.NewCertPool().AppendCertsFromPEM(pem) {
		return sources.Stall(v1beta1.AuthenticationFailedReason, nil, "the CA holds no PEM certificate")
	}
	return nil
}

func pool(o Options) *http.Transport {
	key := setting{proxy: o.Proxy}
	if len(o.CA) > 0 {
		key.ca = sha256.Sum256(o.CA)
	}
	if len(o.Certificate) > 0 {
		key.client = sha256.Sum256(fmt.Appendf(nil, "%d %s%s", len(o.Certificate), o.Certificate, o.Key))
	}
	pools.Lock()
	defer pools.Unlock()
	if t, ok := pools.all[key]; ok {
		return t
	}
	t := newTransport(o)
	pools.all[key] = t
	return t
}

func newTransport(o Options) *http.Transport {
	dialer := &net.Dialer{Timeout: dialTimeout, KeepAlive: 30 * time.Second, Control: checkAddress}
	t := &http.Transport{
		DialContext:            dialer.DialContext,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12},
		ForceAttemptHTTP2:      true,
		TLSHandshakeTimeout:    tlsTimeout,
		ResponseHeaderTimeout:  headerTimeout,
		IdleConnTimeout:        idleConn,
		ExpectContinueTimeout:  time.Second,
		MaxIdleConns:           64,
		MaxIdleConnsPerHost:    perHostIdle,
		MaxConnsPerHost:        perHostConns,
		MaxResponseHeaderBytes: headerBytes,
	}
	if o.Proxy {
		t.Proxy = http.ProxyFromEnvironment
	}
	if len(o.CA) > 0 {
		roots := x509.NewCertPool()
		roots.AppendCertsFromPEM(o.CA)
		t.TLSClientConfig.RootCAs = roots
	}
	if pair, err := tls.X509KeyPair(o.Certificate, o.Key); err == nil {
		t.TLSClientConfig.Certificates = []tls.Certificate{pair}
	}
	return t
}

// trip sends one request: it introduces the program and ends an exchange whose body falls silent.
type trip struct {
	base    http.RoundTripper
	silence time.Duration
}

func (t *trip) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancelCause(req.Context())
	req = req.Clone(ctx)
	req.Header.Set("User-Agent", UserAgent)
	resp, err := t.base.RoundTrip(req)
	if err != nil {
		cancel(nil)
		return nil, err
	}
	resp.Body = newWatchedBody(ctx, cancel, resp.Body, t.silence)
	return resp, nil
}
