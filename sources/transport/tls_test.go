package transport

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/sources"
)

// certificate makes a certificate that signs itself, with its key.
func certificate(t *testing.T) (cert, key []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw})
}

func TestTheClientShowsItsCertificate(t *testing.T) {
	t.Parallel()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.TLS.PeerCertificates[0].SerialNumber.String())
	}))
	server.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert, MinVersion: tls.VersionTLS12}
	server.StartTLS()
	defer server.Close()
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	cert, key := certificate(t)
	o, err := ReadTLS(map[string][]byte{"ca.crt": ca, "tls.crt": cert, "tls.key": key})
	if err != nil {
		t.Fatal(err)
	}
	if body, err := get(t, New(o), server.URL, false); err != nil || body != "1" {
		t.Errorf("got %q, %v", body, err)
	}
	if o, err = ReadTLS(map[string][]byte{"ca.crt": ca}); err != nil {
		t.Fatal(err)
	}
	if _, err := get(t, New(o), server.URL, false); err == nil {
		t.Error("a client without a certificate shares the connections of one that has it")
	}
}

func TestReadTLSRefuses(t *testing.T) {
	t.Parallel()
	cert, key := certificate(t)
	_, other := certificate(t)
	tests := map[string]struct {
		data map[string][]byte
		says string
	}{
		"nothing":                  {map[string][]byte{"caFile": cert}, "needs the key ca.crt"},
		"a CA that is none":        {map[string][]byte{"ca.crt": []byte(secret)}, "no PEM certificate"},
		"a certificate alone":      {map[string][]byte{"tls.crt": cert}, "without the other"},
		"a key alone":              {map[string][]byte{"ca.crt": cert, "tls.key": key}, "without the other"},
		"a key of another one":     {map[string][]byte{"tls.crt": cert, "tls.key": other}, "with its private key"},
		"a certificate that is no": {map[string][]byte{"tls.crt": []byte(secret), "tls.key": key}, "with its private key"},
	}
	for name, test := range tests {
		_, err := ReadTLS(test.data)
		var e *sources.Error
		if !errors.As(err, &e) || e.Reason() != v1beta1.AuthenticationFailedReason || e.Retryable() || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%s: %v, want %q", name, err, test.says)
		}
		if err != nil && strings.Contains(err.Error(), secret) {
			t.Errorf("%s shows what is in the Secret: %v", name, err)
		}
	}
}
