package integration

import (
	"encoding/pem"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"fairlead.dev/fairlead/api/v1beta1"
)

// federated is the API server of a remote cluster that trusts tokens which the controller's own cluster has issued for
// it, as one does that is configured with that cluster as an issuer.
type federated struct {
	*httptest.Server
	t      *testing.T
	issuer kubernetes.Interface
	to     http.Handler

	mu sync.Mutex
	// seen are the tokens of requests; true for those that are refused.
	seen map[string]bool
}

const federatedAudience = "remote-cluster"

func federate(t *testing.T, r *remote) *federated {
	t.Helper()
	issuer, err := kubernetes.NewForConfig(world.cluster.Config)
	if err != nil {
		t.Fatal(err)
	}
	transport, err := rest.TransportFor(r.Config)
	if err != nil {
		t.Fatal(err)
	}
	host, err := url.Parse(r.Config.Host)
	if err != nil {
		t.Fatal(err)
	}
	f := &federated{t: t, issuer: issuer, seen: map[string]bool{}}
	f.to = &httputil.ReverseProxy{
		Rewrite: func(p *httputil.ProxyRequest) { p.SetURL(host) }, Transport: transport, FlushInterval: -1,
	}
	f.Server = httptest.NewTLSServer(f)
	t.Cleanup(func() {
		f.CloseClientConnections()
		f.Close()
	})
	return f
}

// ServeHTTP has requests done as the ServiceAccount whose token they bring.
func (f *federated) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	f.mu.Lock()
	refused := f.seen[token]
	f.seen[token] = refused
	f.mu.Unlock()
	review := &authenticationv1.TokenReview{
		Spec: authenticationv1.TokenReviewSpec{Token: token, Audiences: []string{federatedAudience}},
	}
	review, err := f.issuer.AuthenticationV1().TokenReviews().Create(r.Context(), review, metav1.CreateOptions{})
	if err != nil || !review.Status.Authenticated || refused {
		http.Error(w, "who is that", http.StatusUnauthorized)
		return
	}
	r.Header.Del("Authorization")
	if r.Header.Get("Impersonate-User") == "" {
		r.Header.Set("Impersonate-User", review.Status.User.Username)
	}
	f.to.ServeHTTP(w, r)
}

// revoke has the tokens refused that were seen so far, and returns them.
func (f *federated) revoke() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	for token := range f.seen {
		f.seen[token] = true
	}
	return slices.Collect(maps.Keys(f.seen))
}

// parameters is the ConfigMap of the cluster.
func (f *federated) parameters(ns string) *corev1.ConfigMap {
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: f.Certificate().Raw})
	return &corev1.ConfigMap{ObjectMeta: named(ns, "remote"), Data: map[string]string{
		"provider": v1beta1.ProviderGeneric, "address": f.URL, "ca.crt": string(ca), "audiences": federatedAudience,
		"serviceAccountName": "traveller",
	}}
}

// A release and a Kustomization on a cluster that is reached by tokens of a ServiceAccount: no Secret is needed, tokens
// are for the audience alone, the next one is requested when one is refused, and none is shown.
func TestAClusterReachedByTokens(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	registrySample(t, ns, "1.0.0")
	fleet(t, ns, map[string]string{"apps/a.yaml": settings("a", "one")})
	r := newRemote(t, ns)
	f := federate(t, r)
	remove(t, &corev1.Secret{ObjectMeta: named(ns, "remote")})
	reference := &v1beta1.KubeConfigReference{ConfigMapRef: &v1beta1.LocalObjectReference{Name: "remote"}}
	hr := remoteRelease(ns, "web", `{"message":"one"}`)
	hr.Spec.KubeConfig = reference
	apply(t, hr)
	says(t, awaitNotReady(t, hr, v1beta1.KubeConfigInvalidReason).Message, "ConfigMap "+ns+"/remote", "does not exist")

	cloud := f.parameters(ns)
	cloud.Data["provider"] = "azure"
	apply(t, cloud)
	says(t, awaitNotReady(t, hr, v1beta1.UnsupportedReason).Message, "spec.kubeConfig.configMapRef", "provider azure")
	apply(t, f.parameters(ns))
	says(t, awaitNotReady(t, hr, v1beta1.AccessDeniedReason).Message, "ServiceAccount "+ns+"/traveller")

	apply(t, &corev1.ServiceAccount{ObjectMeta: named(ns, "traveller")})
	f.welcome(r, ns)
	mustRun(t, "fairlead", "reconcile", "release", "web", "-n", ns)
	awaitReady(t, hr)
	k := kustomization(ns, "apps", "apps", func(s *v1beta1.KustomizationSpec) { s.KubeConfig = reference })
	apply(t, k, withValues(hr, `{"message":"two"}`))
	awaitReady(t, hr)
	awaitReady(t, k)
	if got := r.message(t, ns, "web"); got != "two" {
		t.Errorf("on the other cluster the message is %q", got)
	}
	if !r.has(t, recordOf(ns, "web.v2")) || exists(t, recordOf(ns, "web.v1")) {
		t.Error("the records are not on the other cluster alone")
	}
	applied := &corev1.ConfigMap{ObjectMeta: named(ns, "a")}
	if !r.has(t, applied) || exists(t, applied) {
		t.Error("the objects of the Kustomization are not on the other cluster alone")
	}
	tokens := f.revoke()
	apply(t, withValues(hr, `{"message":"three"}`))
	awaitNotReady(t, hr, v1beta1.KubeConfigInvalidReason)
	for _, token := range tokens {
		nothingShown(t, ns, token)
	}
	until(t, "another token is sent", func() bool {
		mustRun(t, "fairlead", "reconcile", "release", "web", "-n", ns)
		return condition(t, hr, v1beta1.ReadyCondition).Status == metav1.ConditionTrue
	})
	if got := r.message(t, ns, "web"); got != "three" {
		t.Errorf("on the other cluster the message is %q", got)
	}
	removed(t, hr)
	removed(t, k)
	if r.has(t, recordOf(ns, "web.v2")) || r.message(t, ns, "web") != "" {
		t.Error("something of the deleted release is left on the other cluster")
	}
}

// welcome lets the ServiceAccount of this cluster do everything on the other.
func (f *federated) welcome(r *remote, ns string) {
	f.t.Helper()
	err := r.Apply(f.t.Context(), &rbacv1.ClusterRoleBinding{
		ObjectMeta: named("", "traveller"),
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "cluster-admin"},
		Subjects:   []rbacv1.Subject{{Kind: "ServiceAccount", Namespace: ns, Name: "traveller"}},
	})
	if err != nil {
		f.t.Fatal(err)
	}
}
