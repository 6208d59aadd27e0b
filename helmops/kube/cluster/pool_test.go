package cluster

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"fairlead.dev/fairlead/sources/egress"
)

// kubeconfig returns one that is fine, after the change.
func kubeconfig(
	t *testing.T, server string, change func(*clientcmdapi.Config, *clientcmdapi.Cluster, *clientcmdapi.AuthInfo),
) []byte {
	t.Helper()
	config := clientcmdapi.NewConfig()
	cluster := &clientcmdapi.Cluster{Server: server}
	user := &clientcmdapi.AuthInfo{Token: "secret-token"}
	config.Clusters["c"], config.AuthInfos["u"] = cluster, user
	config.Contexts["x"] = &clientcmdapi.Context{Cluster: "c", AuthInfo: "u"}
	config.CurrentContext = "x"
	if change != nil {
		change(config, cluster, user)
	}
	content, err := clientcmd.Write(*config)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func TestKubeconfigsThatAreRefused(t *testing.T) {
	t.Parallel()
	type change = func(*clientcmdapi.Config, *clientcmdapi.Cluster, *clientcmdapi.AuthInfo)
	user := func(f func(*clientcmdapi.AuthInfo)) change {
		return func(_ *clientcmdapi.Config, _ *clientcmdapi.Cluster, u *clientcmdapi.AuthInfo) { f(u) }
	}
	cluster := func(f func(*clientcmdapi.Cluster)) change {
		return func(_ *clientcmdapi.Config, c *clientcmdapi.Cluster, _ *clientcmdapi.AuthInfo) { f(c) }
	}
	server := func(url string) change { return cluster(func(c *clientcmdapi.Cluster) { c.Server = url }) }
	for want, change := range map[string]change{
		"(exec)": user(func(u *clientcmdapi.AuthInfo) {
			u.Exec = &clientcmdapi.ExecConfig{
				Command: "steal", APIVersion: "client.authentication.k8s.io/v1",
				InteractiveMode: clientcmdapi.NeverExecInteractiveMode,
			}
		}),
		"auth-provider": user(func(u *clientcmdapi.AuthInfo) {
			u.AuthProvider = &clientcmdapi.AuthProviderConfig{Name: "oidc"}
		}),
		"(tokenFile)":            user(func(u *clientcmdapi.AuthInfo) { u.TokenFile = "/var/run/secrets/token" }),
		"(client-certificate)":   user(func(u *clientcmdapi.AuthInfo) { u.ClientCertificate = "/etc/cert" }),
		"(client-key)":           user(func(u *clientcmdapi.AuthInfo) { u.ClientKey = "/etc/key" }),
		"(as)":                   user(func(u *clientcmdapi.AuthInfo) { u.Impersonate = "admin" }),
		"a token and a password": user(func(u *clientcmdapi.AuthInfo) { u.Password = "secret-password" }),
		"cannot be read": user(func(u *clientcmdapi.AuthInfo) {
			u.ClientCertificateData, u.ClientKeyData = []byte("secret-cert"), []byte("secret-key")
		}),
		"(insecure-skip-tls-verify)": cluster(func(c *clientcmdapi.Cluster) { c.InsecureSkipTLSVerify = true }),
		"(certificate-authority)":    cluster(func(c *clientcmdapi.Cluster) { c.CertificateAuthority = "/etc/ca" }),
		"proxy-url has credentials": cluster(func(c *clientcmdapi.Cluster) {
			c.ProxyURL = "http://a:secret-proxy@proxy"
		}),
		"proxy-url is neither":          cluster(func(c *clientcmdapi.Cluster) { c.ProxyURL = "ftp://proxy" }),
		"its proxy-url is a link-local": cluster(func(c *clientcmdapi.Cluster) { c.ProxyURL = "http://169.254.169.254" }),
		"without TLS":                   server("http://api.example.dev"),
		"user name in the URL":          server("https://a:secret-server@api.example.dev"),
		"query or fragment":             server("https://api.example.dev?x=secret-query"),
		"neither https nor http":        server("ftp://api.example.dev"),
		"its server is a link-local":    server("https://[::ffff:169.254.169.254]:443"),
		"its server is no URL":          server("://"),
		"no current-context": func(c *clientcmdapi.Config, _ *clientcmdapi.Cluster, _ *clientcmdapi.AuthInfo) {
			c.CurrentContext = ""
		},
		"not among its contexts": func(c *clientcmdapi.Config, _ *clientcmdapi.Cluster, _ *clientcmdapi.AuthInfo) {
			c.CurrentContext = "y"
		},
		"the cluster of": func(c *clientcmdapi.Config, _ *clientcmdapi.Cluster, _ *clientcmdapi.AuthInfo) {
			delete(c.Clusters, "c")
		},
		"the user of": func(c *clientcmdapi.Config, _ *clientcmdapi.Cluster, _ *clientcmdapi.AuthInfo) {
			delete(c.AuthInfos, "u")
		},
	} {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			expectRefusal(t, kubeconfig(t, "https://api.example.dev", change), want)
		})
	}
	expectRefusal(t, nil, "it is empty")
	expectRefusal(t, make([]byte, MaxKubeconfig+1), "more than")
	expectRefusal(t, []byte("users: secret-token"), "cannot be parsed")
}

func expectRefusal(t *testing.T, content []byte, want string) {
	t.Helper()
	_, err := NewPool(1, time.Minute, newClock().read).Get(Access{Kubeconfig: content})
	var refusal *KubeconfigError
	if !errors.As(err, &refusal) || !strings.Contains(err.Error(), want) || refusal.Fix == "" {
		t.Fatalf("the error is %v, want a refusal that says %q", err, want)
	}
	if strings.Contains(err.Error(), "secret-") {
		t.Errorf("the error quotes credentials: %v", err)
	}
}

func TestPoolKeepsWhatIsUsed(t *testing.T) {
	t.Parallel()
	clock := newClock()
	pool := NewPool(2, 10*time.Minute, clock.read)
	t.Cleanup(pool.Close)
	get := func(host string) *Cluster {
		t.Helper()
		made, err := pool.Get(Access{Kubeconfig: kubeconfig(t, "https://"+host+".example.dev", nil)})
		if err != nil {
			t.Fatal(err)
		}
		return made
	}
	a, b := get("a"), get("b")
	if get("a") != a {
		t.Error("a is made twice")
	}
	get("c")
	if closed(a) || !closed(b) || pool.Len() != 2 {
		t.Errorf("room for c was made by closing a: %v, b: %v; want only b; %d are kept", closed(a), closed(b), pool.Len())
	}
	clock.pass(10*time.Minute - 1)
	get("c")
	if clock.pass(1); get("c") == nil || !closed(a) || pool.Len() != 1 {
		t.Error("a is kept although nobody asked for it")
	}
	pool.Close()
	if late := get("d"); !closed(late) || pool.Len() != 0 {
		t.Error("a closed pool keeps clusters")
	}
}

func TestANamespaceWithManyKubeconfigsClosesOnlyItsOwnClusters(t *testing.T) {
	t.Parallel()
	pool := NewPool(8, 10*time.Minute, newClock().read)
	t.Cleanup(pool.Close)
	get := func(namespace, host string) *Cluster {
		t.Helper()
		made, err := pool.Get(Access{Namespace: namespace, Kubeconfig: kubeconfig(t, "https://"+host+".example.dev", nil)})
		if err != nil {
			t.Fatal(err)
		}
		return made
	}
	neighbours := []*Cluster{get("quiet", "a"), get("quiet", "b"), get("other", "a")}
	if neighbours[0] == neighbours[2] {
		t.Error("two namespaces share a cluster, so that one decides what the other hears of it")
	}
	for i := range 100 {
		get("noisy", fmt.Sprint("host-", i))
	}
	for i, neighbour := range neighbours {
		if closed(neighbour) {
			t.Errorf("cluster %d of the neighbours was closed", i)
		}
	}
	if pool.Len() != 8 {
		t.Errorf("%d clusters are kept, want 8", pool.Len())
	}
}

func closed(c *Cluster) bool { return isClosed(c.Done()) }

func TestRemoteClusters(t *testing.T) {
	t.Parallel()
	server := newAPIServer(t)
	redirecting := httptest.NewServer(http.RedirectHandler(server.URL, http.StatusFound))
	t.Cleanup(redirecting.Close)
	pool := NewPool(4, time.Minute, newClock().read)
	t.Cleanup(pool.Close)
	wrapped := 0
	pool.WrapTransport(func(next http.RoundTripper) http.RoundTripper {
		return transportFunc(func(r *http.Request) (*http.Response, error) { wrapped++; return next.RoundTrip(r) })
	})
	ask := func(url string) error {
		remote, err := pool.Get(Access{Kubeconfig: kubeconfig(t, url, nil)})
		if err != nil {
			t.Fatal(err)
		}
		_, err = remote.Self().Kube().CoreV1().ConfigMaps("apps").Get(t.Context(), "x", metav1.GetOptions{})
		return err
	}
	if err := ask(server.URL); err != nil || wrapped != 1 {
		t.Errorf("the request gives %v and was wrapped %d times", err, wrapped)
	}
	if err := ask(redirecting.URL); err == nil || !strings.Contains(err.Error(), "redirect") {
		t.Errorf("a redirect gives %v", err)
	}
}

func TestAddressesThatAreRefused(t *testing.T) {
	t.Parallel()
	for address, refused := range map[string]bool{
		"127.0.0.1:443": false, "10.0.0.1:443": false, "[fd00::1]:443": false, "192.0.2.1:6443": false,
		"169.254.169.254:80": true, "[fe80::1%eth0]:443": true, "[64:ff9b::a9fe:a9fe]:443": true,
		"[2002:a9fe:a9fe::]:443": true,
		"0.0.0.0:443":            true, "[::]:443": true, "[::ffff:169.254.0.1]:443": true, "name:443": true, "[fd00:ec2::254]:80": true,
		"192.0.0.192:80": true, "[64:ff9b:1::1]:80": true, "[2001::1]:80": true, "[2001:db8::1]:80": false,
		"[::1]:443": false,
	} {
		if err := (egress.Rules{}).CheckDialled("host", address); errors.Is(err, egress.ErrRefused) != refused {
			t.Errorf("%s gives %v, want refused %v", address, err, refused)
		}
	}
}

func TestAPoolRefusesLoopbackServersAndProxies(t *testing.T) {
	t.Parallel()
	asked := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked++
		w.WriteHeader(http.StatusTeapot)
	}))
	t.Cleanup(server.Close)
	named := strings.Replace(server.URL, "127.0.0.1", "localhost", 1)
	strict := egress.Rules{RefuseLoopback: true, Refuse: []netip.Prefix{netip.MustParsePrefix("10.96.0.0/12")}}
	ask := func(a egress.Rules, url, proxy string) error {
		pool := NewPool(4, time.Minute, newClock().read)
		defer pool.Close()
		pool.Restrict(a)
		through := func(_ *clientcmdapi.Config, c *clientcmdapi.Cluster, _ *clientcmdapi.AuthInfo) { c.ProxyURL = proxy }
		remote, err := pool.Get(Access{Kubeconfig: kubeconfig(t, url, through)})
		if err != nil {
			return err
		}
		_, err = remote.Self().Kube().CoreV1().ConfigMaps("apps").Get(t.Context(), "x", metav1.GetOptions{})
		return err
	}
	for name, err := range map[string]error{
		"an address":       ask(strict, server.URL, ""),
		"a name":           ask(strict, named, ""),
		"a proxy":          ask(strict, "https://cluster.example", server.URL),
		"a proxy by name":  ask(strict, "https://cluster.example", named),
		"a refused range":  ask(strict, "https://10.96.0.1", ""),
		"another spelling": ask(strict, "https://[::ffff:10.96.0.1]", ""),
	} {
		if err == nil || !strings.Contains(err.Error(), "refused") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if asked != 0 {
		t.Errorf("the server was asked %d times", asked)
	}
	for _, allowed := range []egress.Rules{
		{}, {RefuseLoopback: true, AllowHosts: []string{"localhost"}},
		{
			RefuseLoopback: true, Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")},
		},
	} {
		_ = ask(allowed, named, "") // the server answers nonsense
	}
	if asked != 3 {
		t.Errorf("the server was asked %d times", asked)
	}
}

func TestAccessKeysTellApartAndHideCredentials(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, access := range []Access{
		{}, {User: "jane"}, {Kubeconfig: []byte("secret-a")}, {Kubeconfig: []byte("secret-b")},
		{Kubeconfig: []byte("secret-a"), User: "jane"},
	} {
		key := access.Key()
		if seen[key] || strings.Contains(key, "secret-") {
			t.Errorf("key %q of %s is not unique, or tells credentials", key, fmt.Sprint(access.User))
		}
		seen[key] = true
	}
}
