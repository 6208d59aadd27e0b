package transport

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
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
	// Cert and Key are the PEM certificate and private key that this side shows; both or none.
	Cert, Key []byte
	// Proxy uses the proxy of the environment. The proxy then resolves names, so only its own address is checked.
	Proxy bool
	// ProxyURL is the proxy to use, nil for none, as [ParseProxy] returns it. It resolves names, too.
	ProxyURL *url.URL
	// Tenant is the namespace that a client works for. What is remembered of hosts counts against its share; connections
	// are shared with others.
	Tenant string
}

// Check reports whether certificates and keys can be used at all: an Error with reason AuthenticationFailed, stalled,
// if not.
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
		return sources.Stall(v1beta1.AuthenticationFailedReason, nil,
			"the client certificate and its key are not a PEM pair that fits together")
	}

	return nil
}

// ParseProxy reads the address of a proxy, http, https or socks5, and adds who signs in to it. An address that cannot
// be used is an Error with reason URLInvalid, stalled.
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

// CheckCA reports whether PEM text holds a certificate at all: an Error with reason AuthenticationFailed, stalled, if
// not.
func CheckCA(pem []byte) error {
	if !x509.NewCertPool().AppendCertsFromPEM(pem) {
		return sources.Stall(v1beta1.AuthenticationFailedReason, nil, "the CA holds no PEM certificate")
	}
	return nil
}

func (n *Network) newTransport(o Options) *http.Transport {
	t := &http.Transport{
		DialContext:            n.DialContext,
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
	if cert, err := tls.X509KeyPair(o.Cert, o.Key); err == nil { // Check reports others
		t.TLSClientConfig.Certificates = []tls.Certificate{cert}
	}

	if len(o.CA) > 0 {
		roots := x509.NewCertPool()
		roots.AppendCertsFromPEM(o.CA)
		t.TLSClientConfig.RootCAs = roots
	}

	return t
}
