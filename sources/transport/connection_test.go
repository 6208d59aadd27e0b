package transport

import (
	"bytes"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"fairlead.dev/fairlead/sources"
	"fairlead.dev/fairlead/sources/egress"
	"fairlead.dev/fairlead/test/servers"
)

func newAuthority(t *testing.T) *servers.Authority {
	t.Helper()
	a, err := servers.NewAuthority()
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func issue(t *testing.T, a *servers.Authority) (cert, key []byte) {
	t.Helper()
	cert, key, err := a.Issue(time.Now().Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	return cert, key
}

func serveTLS(t *testing.T, a *servers.Authority, until time.Time, clients bool) string {
	t.Helper()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := "nobody"
		if len(r.TLS.PeerCertificates) > 0 {
			name = r.TLS.PeerCertificates[0].Subject.CommonName
		}
		_, _ = io.WriteString(w, name)
	}))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	var err error
	if server.TLS, err = a.Server(until, clients); err != nil {
		t.Fatal(err)
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
	open, mutual := serveTLS(t, ca, time.Now().Add(time.Hour), false), serveTLS(t, ca, time.Now().Add(time.Hour), true)
	expired := serveTLS(t, ca, time.Now().Add(-time.Minute), false)
	cert, key := issue(t, ca)
	foreignCert, foreignKey := issue(t, other)
	for _, tt := range []struct {
		name, url  string
		o          Options
		want, says string
	}{
		{"an authority of one's own", open, Options{CA: ca.PEM}, "nobody", ""},
		{"the authorities of the system", open, Options{}, "", "unknown authority"},
		{"another authority", open, Options{CA: other.PEM}, "", "unknown authority"},
		{"an expired certificate", expired, Options{CA: ca.PEM}, "", "expired"},
		{"a client certificate", mutual, Options{CA: ca.PEM, Cert: cert, Key: key}, "leaf", ""},
		{"no client certificate", mutual, Options{CA: ca.PEM}, "", "certificate required"},
		{
			"a client certificate of another authority", mutual, Options{CA: ca.PEM, Cert: foreignCert, Key: foreignKey}, "",
			"certificate",
		},
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
		"no CA": {CA: []byte("hunter2")}, "no pair": {Cert: cert, Key: foreignKey}, "half a pair": {Cert: cert},
		"no key": {Cert: cert, Key: []byte("hunter2")},
	} {
		if err := o.Check(); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestProxy(t *testing.T) {
	t.Parallel()
	target := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Proxy-Authorization") != "" {
			t.Error("the credentials of the proxy come to upstream")
		}
		_, _ = io.WriteString(w, "hello")
	}))
	t.Cleanup(target.Close)
	through := make(chan string, 10)
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		through <- r.URL.String() + " " + r.Header.Get("Proxy-Authorization")
		if r.Header.Get("Proxy-Authorization") == "" {
			w.WriteHeader(http.StatusProxyAuthRequired)
			return
		}
		response, err := http.Get(r.URL.String())
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
	if got, err := ask(t, Options{ProxyURL: address}, target.URL); got != "hello" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	if got := <-through; !strings.HasPrefix(got, target.URL) || !strings.HasSuffix(got, "Basic dTpodW50ZXIy") {
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
	cert, key := issue(t, ca)
	network := NewNetwork(egress.Rules{})
	pool := func(o Options) *http.Transport { return network.pool(settingOf(o), o) }
	if pool(Options{CA: ca.PEM}) != pool(Options{CA: bytes.Clone(ca.PEM)}) {
		t.Error("equal options do not share")
	}
	if pool(Options{CA: ca.PEM}) == pool(Options{CA: ca.PEM, Cert: cert, Key: key}) ||
		pool(Options{}) == pool(Options{Proxy: true}) {
		t.Error("different options share")
	}
}
