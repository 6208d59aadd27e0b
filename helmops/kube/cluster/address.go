package cluster

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"syscall"
	"time"

	"fairlead.dev/fairlead/sources/egress"
)

// dialer connects within a limit of time, and to no address that the rules refuse.
func dialer(rules egress.Rules) func(ctx context.Context, network, address string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		name, _, err := net.SplitHostPort(address)
		if err != nil {
			return nil, fmt.Errorf("address %q: %w", address, egress.ErrRefused)
		}

		dialer := &net.Dialer{Timeout: dialTimeout, KeepAlive: 30 * time.Second}
		dialer.Control = func(_, resolved string, _ syscall.RawConn) error { return rules.CheckDialled(name, resolved) }
		return dialer.DialContext(ctx, network, address)
	}
}

// noRedirects turns redirects into errors: an API server has none, and credentials must not follow one.
type noRedirects struct{ http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (n noRedirects) RoundTrip(request *http.Request) (*http.Response, error) {
	response, err := n.RoundTripper.RoundTrip(request)
	if err != nil || response.Header.Get("Location") == "" || response.StatusCode < 300 || response.StatusCode > 399 {
		return response, err
	}
	_ = response.Body.Close()
	return nil, fmt.Errorf("%s answers with a redirect (%s), which no API server does; it is not followed",
		request.URL.Host, response.Status)
}

// WrappedRoundTripper implements utilnet.RoundTripperWrapper.
func (n noRedirects) WrappedRoundTripper() http.RoundTripper { return n.RoundTripper }
