package cluster

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"time"

	utilnet "k8s.io/apimachinery/pkg/util/net"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"fairlead.dev/fairlead/helmops/kube/redact"
	"fairlead.dev/fairlead/sources/egress"
)

// MaxKubeconfig bounds a kubeconfig, in bytes.
const MaxKubeconfig = 1 << 20

// Bounds of a connection to a remote cluster. No request waits longer for a cluster that does not answer; watches do,
// but for what follows the first answer.
const (
	dialTimeout   = 10 * time.Second
	tlsTimeout    = 10 * time.Second
	answerTimeout = 90 * time.Second
	idleTimeout   = 90 * time.Second
)

// KubeconfigError says why a kubeconfig is refused and what to change. It never quotes credentials. Trying again with
// the same kubeconfig does not help.
type KubeconfigError struct {
	// Problem continues "the kubeconfig is refused:".
	Problem string
	// Fix is an instruction.
	Fix string
}

// Error implements error.
func (e *KubeconfigError) Error() string {
	return "the kubeconfig is refused: " + e.Problem + "; " + e.Fix
}

func checkSize(kubeconfig []byte) error {
	switch {
	case len(kubeconfig) == 0:
		return &KubeconfigError{Problem: "it is empty", Fix: "put a kubeconfig under the key that is referred to"}
	case len(kubeconfig) > MaxKubeconfig:
		return &KubeconfigError{
			Problem: fmt.Sprintf("it has %d bytes, more than %d", len(kubeconfig), MaxKubeconfig),
			Fix:     "keep the one context that is used (kubectl config view --minify --flatten --raw)",
		}
	}
	return nil
}

// remoteConfig turns a kubeconfig into a configuration whose transport holds everything secret. Nothing outside the
// kubeconfig is used: no file, no environment and no program. addresses are refused, and bound wraps the transport to a
// server, below everything else.
func remoteConfig(
	kubeconfig []byte, addresses egress.Rules, wrap func(http.RoundTripper) http.RoundTripper,
	bound func(next http.RoundTripper, server string) http.RoundTripper,
) (*rest.Config, error) {
	parsed, err := clientcmd.Load(kubeconfig)
	if err != nil { // The parser's message may quote the document.
		return nil, &KubeconfigError{
			Problem: "it cannot be parsed", Fix: "check it with kubectl --kubeconfig FILE config view",
		}
	}

	cluster, user, err := chosen(parsed)
	if err != nil {
		return nil, err
	}

	for _, check := range []func() error{
		func() error { return checkUser(user) },
		func() error { return checkCluster(cluster) },
		func() error { return checkServer(cluster.Server, addresses) },
	} {
		if err := check(); err != nil {
			return nil, err
		}
	}

	proxy, err := proxyOf(cluster.ProxyURL, addresses)
	if err != nil {
		return nil, err
	}

	config := &rest.Config{
		Host: cluster.Server, BearerToken: user.Token, Username: user.Username, Password: user.Password,
		UserAgent: "fairlead",
		TLSClientConfig: rest.TLSClientConfig{
			ServerName: cluster.TLSServerName, CAData: cluster.CertificateAuthorityData,
			CertData: user.ClientCertificateData, KeyData: user.ClientKeyData,
		},
		WrapTransport: wrap,
	}
	mask := redact.NewMask(secretsOf(user)...)
	return withTransport(config, addresses, proxy, cluster.DisableCompression,
		func(next http.RoundTripper, server string) http.RoundTripper {
			return &discreet{next: bound(next, server), mask: mask}
		})
}

func chosen(parsed *clientcmdapi.Config) (*clientcmdapi.Cluster, *clientcmdapi.AuthInfo, error) {
	if parsed.CurrentContext == "" {
		return nil, nil, &KubeconfigError{Problem: "it has no current-context", Fix: "set current-context"}
	}

	context := parsed.Contexts[parsed.CurrentContext]
	if context == nil {
		return nil, nil, &KubeconfigError{
			Problem: "its current-context is not among its contexts", Fix: "add the context or name another",
		}
	}

	cluster := parsed.Clusters[context.Cluster]
	user := parsed.AuthInfos[context.AuthInfo]
	if cluster == nil {
		return nil, nil, &KubeconfigError{
			Problem: "the cluster of its current-context is missing", Fix: "add it under clusters",
		}
	}
	if user == nil {
		return nil, nil, &KubeconfigError{Problem: "the user of its current-context is missing", Fix: "add it under users"}
	}

	return cluster, user, nil
}

func checkUser(user *clientcmdapi.AuthInfo) error {
	for _, refusal := range []struct {
		applies      bool
		problem, fix string
	}{
		{user.Exec != nil, "its user runs a program (exec)", "use a token or client-certificate-data"},
		{user.AuthProvider != nil, "its user has an auth-provider", "use a token or client-certificate-data"},
		{user.TokenFile != "", "its user refers to a file (tokenFile)", "put the token itself under token"},
		{user.ClientCertificate != "", "its user refers to a file (client-certificate)", "use client-certificate-data"},
		{user.ClientKey != "", "its user refers to a file (client-key)", "use client-key-data"},
		{
			user.Impersonate != "" || user.ImpersonateUID != "" || len(user.ImpersonateGroups) > 0 ||
				len(user.ImpersonateUserExtra) > 0,
			"its user impersonates another (as)", "use spec.serviceAccountName for that",
		},
		{
			user.Token != "" && (user.Username != "" || user.Password != ""),
			"its user has a token and a password", "keep one of them",
		},
	} {
		if refusal.applies {
			return &KubeconfigError{Problem: refusal.problem, Fix: refusal.fix}
		}
	}
	return nil
}

func checkCluster(cluster *clientcmdapi.Cluster) error {
	switch {
	case cluster.InsecureSkipTLSVerify:
		return &KubeconfigError{
			Problem: "its cluster turns off the check of the server's certificate (insecure-skip-tls-verify)",
			Fix:     "use certificate-authority-data, with tls-server-name where the name differs",
		}
	case cluster.CertificateAuthority != "":
		return &KubeconfigError{
			Problem: "its cluster refers to a file (certificate-authority)", Fix: "use certificate-authority-data",
		}
	}
	return nil
}

func checkServer(server string, addresses egress.Rules) error {
	address, err := url.Parse(server)
	if err != nil || address.Host == "" {
		return &KubeconfigError{Problem: "its server is no URL", Fix: "write it as https://HOST:PORT"}
	}

	switch {
	case address.User != nil:
		return &KubeconfigError{Problem: "its server has a user name in the URL", Fix: "put credentials under users"}
	case address.RawQuery != "" || address.Fragment != "":
		return &KubeconfigError{
			Problem: "its server has a query or fragment in the URL", Fix: "write it as https://HOST:PORT",
		}
	case address.Scheme == "http" && !isLoopback(address.Hostname()):
		return &KubeconfigError{Problem: "its server is reached without TLS (http)", Fix: "use https"}
	case address.Scheme != "https" && address.Scheme != "http":
		return &KubeconfigError{Problem: "its server is neither https nor http", Fix: "write it as https://HOST:PORT"}
	}

	return checkLiteral("server", address.Hostname(), addresses)
}

func proxyOf(proxy string, addresses egress.Rules) (func(*http.Request) (*url.URL, error), error) {
	if proxy == "" {
		return nil, nil
	}

	address, err := url.Parse(proxy)
	if err != nil || address.Host == "" {
		return nil, &KubeconfigError{Problem: "its proxy-url is no URL", Fix: "write it as http://HOST:PORT"}
	}

	switch {
	case address.User != nil:
		return nil, &KubeconfigError{Problem: "its proxy-url has credentials in it", Fix: "use a proxy that needs none"}
	case address.Scheme != "http" && address.Scheme != "https" && address.Scheme != "socks5":
		return nil, &KubeconfigError{
			Problem: "its proxy-url is neither http, https nor socks5", Fix: "write it as http://HOST:PORT",
		}
	}

	if err := checkLiteral("proxy-url", address.Hostname(), addresses); err != nil {
		return nil, err
	}

	return http.ProxyURL(address), nil
}

// checkLiteral looks at hosts that are addresses. Names are looked at when they have been resolved.
func checkLiteral(field, host string, addresses egress.Rules) error {
	err := addresses.CheckHost(host)
	var rule *egress.RuleError
	switch {
	case errors.As(err, &rule):
		return &KubeconfigError{
			Problem: "its " + field + " has the " + err.Error(),
			Fix:     "use another address, or have it allowed with --allow-upstream-cidrs",
		}
	case err != nil:
		return &KubeconfigError{
			Problem: "its " + field + " is a link-local, metadata, multicast or unspecified address",
			Fix:     "use the address of the API server",
		}
	}

	return nil
}

func isLoopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.Unmap().IsLoopback()
}

// withTransport moves everything that is needed to connect into a transport of the cluster's own, so that no other
// cluster waits for this one and closing it lets go of its connections.
func withTransport(
	config *rest.Config, addresses egress.Rules, proxy func(*http.Request) (*url.URL, error), uncompressed bool,
	bound func(next http.RoundTripper, server string) http.RoundTripper,
) (*rest.Config, error) {
	broken := &KubeconfigError{
		Problem: "its certificates or key cannot be read",
		Fix:     "check certificate-authority-data, client-certificate-data and client-key-data: each is base64 of PEM",
	}
	security, err := rest.TLSConfigFor(config)
	if err != nil {
		return nil, broken
	}

	transport := utilnet.SetTransportDefaults(&http.Transport{
		Proxy:                 proxy,
		DialContext:           dialer(addresses),
		TLSClientConfig:       security,
		TLSHandshakeTimeout:   tlsTimeout,
		ResponseHeaderTimeout: answerTimeout,
		IdleConnTimeout:       idleTimeout,
		DisableCompression:    uncompressed,
		HTTP2:                 &http.HTTP2Config{MaxReceiveBufferPerStream: watchBuffer},
	})
	transport.Proxy = proxy // The default would be that of the environment.
	wrapped, err := rest.HTTPWrappersForConfig(config, noRedirects{bound(transport, config.Host)})
	if err != nil {
		return nil, broken
	}

	return &rest.Config{Host: config.Host, Transport: wrapped}, nil
}
