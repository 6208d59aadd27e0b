package transport

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/sources"
	"fairlead.dev/fairlead/sources/egress"
)

const maxRedirects = 5

// ParseURL reads the URL of an upstream, which has to have one of the schemes. A URL with credentials in it, without a
// host, or of an address that is refused is an Error with reason URLInvalid, stalled.
func ParseURL(raw string, schemes ...string) (*url.URL, error) {
	// The parser's own error repeats the URL, which may hold a password.
	u, err := url.Parse(strings.TrimSpace(raw))
	if err != nil {
		return nil, badURL("the URL cannot be parsed")
	}
	if u.User != nil {
		return nil, badURL("the URL of %s must not hold credentials: they belong into a Secret", u.Host)
	}
	if !slices.Contains(schemes, u.Scheme) {
		return nil, badURL("the URL has the scheme %q instead of %s", u.Scheme, strings.Join(schemes, " or "))
	}
	if u.Hostname() == "" {
		return nil, badURL("the URL has no host")
	}
	if u.Fragment != "" {
		return nil, badURL("the URL of %s must not have a fragment", u.Host)
	}

	return u, CheckHost(u.Hostname())
}

// CheckHost refuses a host that is written as an address no upstream may have: an Error with reason URLInvalid,
// stalled. Names are only known when they are dialled.
func CheckHost(host string) error {
	if err := (egress.Rules{}).CheckHost(host); err != nil {
		return sources.Stall(v1beta1.URLInvalidReason, err, "using the URL")
	}
	return nil
}

func badURL(format string, args ...any) error {
	return sources.Stall(v1beta1.URLInvalidReason, nil, format, args...)
}

// errRedirect is the part that all refused redirects have in common.
var errRedirect = errors.New("redirect refused")

// checkRedirect is asked before a redirect is followed.
func checkRedirect(req *http.Request, via []*http.Request) error {
	first := via[0]
	last := via[len(via)-1]
	switch {
	case len(via) > maxRedirects:
		return fmt.Errorf("%w: more than %d in a row", errRedirect, maxRedirects)
	case req.URL.Scheme != "http" && req.URL.Scheme != "https":
		return fmt.Errorf("%w: it leads to the scheme %q", errRedirect, req.URL.Scheme)
	case last.URL.Scheme == "https" && req.URL.Scheme != "https":
		return fmt.Errorf("%w: it leads from https to http", errRedirect)
	case req.URL.User != nil:
		return fmt.Errorf("%w: it holds credentials", errRedirect)
	}

	// net/http keeps the header for subdomains and other ports, and restores it on the way back.
	for _, r := range append(via[1:len(via):len(via)], req) {
		if !SameHost(first.URL, r.URL) {
			req.Header.Del("Authorization")
			req.Header.Del("Cookie")
		}
	}

	return nil
}

// SameHost reports whether two URLs have the same scheme, host and port, which is what credentials are meant for.
func SameHost(a, b *url.URL) bool {
	return strings.EqualFold(a.Scheme, b.Scheme) && strings.EqualFold(a.Hostname(), b.Hostname()) && port(a) == port(b)
}

func port(u *url.URL) string {
	switch {
	case u.Port() != "":
		return u.Port()
	case strings.EqualFold(u.Scheme, "https"):
		return "443"
	}
	return "80"
}
