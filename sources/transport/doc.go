// Package transport makes the one HTTP client that every backend uses, and formats its errors.
//
//	backend -> http.Client: at most five redirects, never from https to http, credentials stay with their host
//	        -> round trip:  user agent, silence of a body bounded
//	        -> dialer:      after the name is resolved, link-local and metadata addresses are refused
//
// A scenario: an index names an archive on a host whose name resolves to 169.254.169.254. The name looks harmless and
// the redirect that led there too, but the dialer sees the address and refuses, and the message says so.
package transport
