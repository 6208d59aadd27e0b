package main

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"k8s.io/client-go/rest"
)

var errDefaultTransport = errors.New("connections are made by clients that check addresses only; this one would be made by a library")

// refuseDefaultTransport makes clients fail that libraries bring along: what they connect to would not be checked. Fairlead's own clients
// have transports of their own.
func refuseDefaultTransport() {
	refusing := refusingTransport{}
	http.DefaultTransport = refusing
	http.DefaultClient = &http.Client{Transport: refusing}
}

type refusingTransport struct{}

// RoundTrip implements http.RoundTripper.
func (refusingTransport) RoundTrip(request *http.Request) (*http.Response, error) {
	return nil, fmt.Errorf("connecting to %s: %w", request.URL.Host, errDefaultTransport)
}

// environmentProxy is the proxy of a configuration, by default that of the environment. One that is set keeps client-go from taking
// http.DefaultTransport for servers whose certificate the system trusts.
func environmentProxy(config *rest.Config) func(*http.Request) (*url.URL, error) {
	if config.Proxy != nil {
		return config.Proxy
	}
	return http.ProxyFromEnvironment
}
