package transport

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"

	"k8s.io/utils/lru"

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
	// Cert and Key are the PEM certificate and private key that this side shows; both or none.
	Cert, Key []byte
	// Proxy uses the proxy of the environment. The proxy then resolves names, so only its own address is checked.
	Proxy bool
	// ProxyURL is the proxy to use, nil for none, as [ParseProxy] returns it. It resolves names, too.
	ProxyURL *url.URL
}

// Check tells whether certificates and keys can be used at all: an Error with reason AuthenticationFailed, stalled, if not.
func (o Options) Check() error {
	if len(o.CA) > 0 {
		if err := CheckCA(o.CA); err != nil {
			return err
		}
	}
	if len(o.Cert) == 0 && len(o.Key) == 0 {
		return nil
	}
	if _, err := tls.X509KeyPair(o.Cert, o.Key); err != nil { // the error could quote the key
		return sources.Stall(v1beta1.AuthenticationFailedReason, nil, "the client certificate and its key are not a PEM pair that fits together")
	}
	return nil
}

// ParseProxy reads the address of a proxy, http, https or socks5, and adds who signs in to it. An address that cannot be used is an Error
// with reason URLInvalid, stalled.
func ParseProxy(address string, c sources.Credentials) (*url.URL, error) {
	u, err := ParseURL(address, "http", "https", "socks5")
	if err != nil {
		return nil, sources.Stall(v1beta1.URLInvalidReason, err, "the address of the proxy")
	}
	if !c.IsZero() {
		u.User = url.UserPassword(c.Username, c.Password)
	}
	return u, nil
}

// setting is what makes a connection pool different from another one: a digest of the options.
type setting [sha256.Size]byte

func settingOf(o Options) setting {
	sum := sha256.New()
	proxy := ""
	if o.ProxyURL != nil {
		proxy = o.ProxyURL.String()
	}
	for _, part := range [][]byte{o.CA, o.Cert, o.Key, []byte(proxy), []byte(strconv.FormatBool(o.Proxy))} {
		fmt.Fprintf(sum, "%d ", len(part))
		sum.Write(part)
	}
	return setting(sum.Sum(nil))
}

// maxPools is how many pools are kept; what rotates, as certificates do, leaves old ones behind.
const maxPools = 256

// pools holds the one pool per setting of this process: connections are worth sharing between all sources of a host.
var pools = struct {
	sync.Mutex
	all *lru.Cache
}{all: lru.NewWithEvictionFunc(maxPools, func(_ lru.Key, value any) { value.(*http.Transport).CloseIdleConnections() })}

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
	key := settingOf(o)
	pools.Lock()
	defer pools.Unlock()
	if t, ok := pools.all.Get(key); ok {
		return t.(*http.Transport)
	}
	t := newTransport(o)
	pools.all.Add(key, t)
	return t
}

// Dialer connects as the clients do: with a limit of time, and not to addresses that no upstream has.
func Dialer() *net.Dialer {
	return &net.Dialer{Timeout: dialTimeout, KeepAlive: 30 * time.Second, Control: checkAddress}
}

func newTransport(o Options) *http.Transport {
	t := &http.Transport{
		DialContext:            Dialer().DialContext,
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
	if o.ProxyURL != nil {
		t.Proxy = http.ProxyURL(o.ProxyURL)
	}
	if cert, err := tls.X509KeyPair(o.Cert, o.Key); err == nil { // Check has told of others
		t.TLSClientConfig.Certificates = []tls.Certificate{cert}
	}
	if len(o.CA) > 0 {
		roots := x509.NewCertPool()
		roots.AppendCertsFromPEM(o.CA)
		t.TLSClientConfig.RootCAs = roots
	}
	return t
}

// trip sends one request: it introduces the program and ends an exchange whose body falls silent.
type trip struct {
	base    http.RoundTripper
	silence time.Duration
}

func (t *trip) RoundTrip(req *http.Request) (*http.Response, error) {
	at := hostOf(req.URL.Host)
	if err := at.admit(req.Context(), time.Now()); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancelCause(req.Context())
	req = req.Clone(ctx)
	req.Header.Set("User-Agent", UserAgent)
	resp, err := t.base.RoundTrip(req)
	if err != nil {
		cancel(nil)
		return nil, err
	}
	at.heed(resp, time.Now())
	resp.Body = newWatchedBody(ctx, cancel, resp.Body, t.silence)
	return resp, nil
}
