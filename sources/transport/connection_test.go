package transport

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"fairlead.dev/fairlead/sources"
)

// authority issues certificates for tests.
type authority struct {
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
	pem  []byte
}

func newAuthority(t *testing.T) authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(raw)
	if err != nil {
		t.Fatal(err)
	}
	return authority{key, cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: raw})}
}

// issue makes a certificate for loopback that is valid until then.
func (a authority) issue(t *testing.T, until time.Time) (cert, key []byte) {
	t.Helper()
	own, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "leaf"}, NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: until,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, a.cert, own.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	encoded, err := x509.MarshalECPrivateKey(own)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: raw}), pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: encoded})
}

func (a authority) serve(t *testing.T, until time.Time, clients *x509.CertPool) string {
	t.Helper()
	cert, key := a.issue(t, until)
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := "nobody"
		if len(r.TLS.PeerCertificates) > 0 {
			name = r.TLS.PeerCertificates[0].Subject.CommonName
		}
		_, _ = io.WriteString(w, name)
	}))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
	if clients != nil {
		server.TLS.ClientAuth, server.TLS.ClientCAs = tls.RequireAndVerifyClientCert, clients
	}
	server.StartTLS()
	t.Cleanup(server.Close)
	return server.URL
}

func ask(t *testing.T, o Options, url string) (string, error) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := New(o).Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return string(body), err
}

func TestCertificates(t *testing.T) {
	t.Parallel()
	ca, other := newAuthority(t), newAuthority(t)
	clients := x509.NewCertPool()
	clients.AddCert(ca.cert)
	open, mutual := ca.serve(t, time.Now().Add(time.Hour), nil), ca.serve(t, time.Now().Add(time.Hour), clients)
	expired := ca.serve(t, time.Now().Add(-time.Minute), nil)
	cert, key := ca.issue(t, time.Now().Add(time.Hour))
	foreignCert, foreignKey := other.issue(t, time.Now().Add(time.Hour))
	for _, tt := range []struct {
		name, url  string
		o          Options
		want, says string
	}{
		{"an authority of one's own", open, Options{CA: ca.pem}, "nobody", ""},
		{"the authorities of the system", open, Options{}, "", "unknown authority"},
		{"another authority", open, Options{CA: other.pem}, "", "unknown authority"},
		{"an expired certificate", expired, Options{CA: ca.pem}, "", "expired"},
		{"a client certificate", mutual, Options{CA: ca.pem, Cert: cert, Key: key}, "leaf", ""},
		{"no client certificate", mutual, Options{CA: ca.pem}, "", "certificate required"},
		{"a client certificate of another authority", mutual, Options{CA: ca.pem, Cert: foreignCert, Key: foreignKey}, "", "certificate"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if err := tt.o.Check(); err != nil {
				t.Fatal(err)
			}
			got, err := ask(t, tt.o, tt.url)
			if got != tt.want || (err == nil) != (tt.says == "") || err != nil && !strings.Contains(err.Error(), tt.says) {
				t.Errorf("%q, %v", got, err)
			}
		})
	}
	for name, o := range map[string]Options{
		"no CA": {CA: []byte("hunter2")}, "no pair": {Cert: cert, Key: foreignKey}, "half a pair": {Cert: cert}, "no key": {Cert: cert, Key: []byte("hunter2")},
	} {
		if err := o.Check(); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestProxy(t *testing.T) {
	t.Parallel()
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Proxy-Authorization") != "" {
			t.Error("the credentials of the proxy come to upstream")
		}
		_, _ = io.WriteString(w, "hello")
	}))
	t.Cleanup(upstream.Close)
	through := make(chan string, 10)
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		through <- r.URL.String() + " " + r.Header.Get("Proxy-Authorization")
		if r.Header.Get("Proxy-Authorization") == "" {
			w.WriteHeader(http.StatusProxyAuthRequired)
			return
		}
		response, err := http.Get(r.URL.String()) //nolint:noctx,bodyclose // closed below
		if err != nil {
			t.Error(err)
			return
		}
		defer response.Body.Close()
		_, _ = io.Copy(w, response.Body)
	}))
	t.Cleanup(proxy.Close)
	address, err := ParseProxy(proxy.URL, sources.Credentials{Username: "u", Password: "hunter2"})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := ask(t, Options{ProxyURL: address}, upstream.URL); got != "hello" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	if got := <-through; !strings.HasPrefix(got, upstream.URL) || !strings.HasSuffix(got, "Basic dTpodW50ZXIy") {
		t.Errorf("the proxy was asked %q", got)
	}
	for _, address := range []string{"", "ftp://proxy", "http://u:hunter2@proxy", "http://169.254.169.254", "proxy:3128"} {
		if _, err := ParseProxy(address, sources.Credentials{}); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: %v", address, err)
		}
	}
}

// Clients with equal options share their connections, others do not.
func TestPools(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	cert, key := ca.issue(t, time.Now().Add(time.Hour))
	if pool(Options{CA: ca.pem}) != pool(Options{CA: bytes.Clone(ca.pem)}) {
		t.Error("equal options do not share")
	}
	if pool(Options{CA: ca.pem}) == pool(Options{CA: ca.pem, Cert: cert, Key: key}) || pool(Options{}) == pool(Options{Proxy: true}) {
		t.Error("different options share")
	}
}
