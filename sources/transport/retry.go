package transport

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/http"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"

	"fairlead.dev/fairlead/sources/egress"
)

const (
	attempts   = 3
	firstPause = 150 * time.Millisecond
)

// Retry returns a round tripper that repeats a GET or HEAD twice, within a second, when the connection broke or
// upstream answered 500, 502, 503 or 504 without saying when to come back. It never waits for a Retry-After: such an
// answer is returned without a retry.
func Retry(base http.RoundTripper) http.RoundTripper { return &retry{base: base} }

type retry struct{ base http.RoundTripper }

func (r *retry) RoundTrip(req *http.Request) (*http.Response, error) {
	pauses := wait.Backoff{Duration: firstPause, Factor: 2, Jitter: 0.5, Steps: attempts}
	for attempt := 1; ; attempt++ {
		resp, err := r.base.RoundTrip(req)
		if attempt == attempts || !again(req, resp, err) {
			return resp, err
		}
		if resp != nil {
			_ = resp.Body.Close()
		}

		select {
		case <-req.Context().Done():
			return nil, req.Context().Err()
		case <-time.After(pauses.Step()):
		}
	}
}

func again(req *http.Request, resp *http.Response, err error) bool {
	if req.Method != http.MethodGet && req.Method != http.MethodHead || req.Context().Err() != nil {
		return false
	}
	if err != nil {
		return !permanent(err)
	}

	switch resp.StatusCode {
	case http.StatusInternalServerError, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return resp.Header.Get("Retry-After") == ""
	}

	return false
}

// permanent reports whether a retry of a failed connection would only fail again.
func permanent(err error) bool {
	if errors.Is(err, egress.ErrRefused) {
		return true
	}
	var unknown x509.UnknownAuthorityError
	var host x509.HostnameError
	var cert *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	return errors.As(err, &unknown) || errors.As(err, &host) || errors.As(err, &cert) || errors.As(err, &record)
}
