package integration

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/test/env"
	"fairlead.dev/fairlead/test/servers"
)

// instead runs another controller in place of the shared one until the test ends.
func instead(t *testing.T, cluster *env.Cluster, args ...string) *env.Controller {
	t.Helper()
	if err := world.controller.Stop(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := startController(context.Background()); err != nil {
			t.Error(err)
		}
	})
	other, err := env.StartController(t.Context(), cluster, t.TempDir(), args...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := other.Stop(); err != nil {
			t.Error(err)
		}
	})
	return other
}

// The rights of the strict profile are enough: a release that names no ServiceAccount is installed as the default one
// of its namespace, with what that may do, and is uninstalled as such.
func TestTheStrictRoleIsEnough(t *testing.T) {
	ns := namespace(t)
	limited := serviceAccount(t, ns)
	restricted := instead(t, limited, "--tenancy", "strict", "--allow-upstream-cidrs", "127.0.0.0/8")

	repository := registrySample(t, ns, "1.0.0")
	hr := release(ns, "web", "sample", "*", "charts", "")
	apply(t, hr)
	awaitReady(t, repository)
	ready := awaitNotReady(t, hr, v1beta1.AccessDeniedReason)
	if tenant := "system:serviceaccount:" + ns + ":default"; !strings.Contains(ready.Message, tenant) {
		t.Errorf("the release does not act as %s: %s", tenant, ready.Message)
	}

	apply(t, &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "default"},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "admin"},
		Subjects:   []rbacv1.Subject{{Kind: "ServiceAccount", Namespace: ns, Name: "default"}},
	})
	mustRun(t, "fairlead", "reconcile", "release", "web", "-n", ns, "--wait")
	awaitVersion(t, hr, "1.0.0")

	foreign := release(ns, "foreign", "sample", "*", "charts", "")
	foreign.Spec.Chart.Spec.SourceRef.Namespace = "default"
	apply(t, foreign)
	awaitNotReady(t, foreign, v1beta1.AccessDeniedReason)

	values := release(ns, "foreign-values", "sample", "*", "charts", "")
	values.Spec.ValuesFrom = []v1beta1.ValuesReference{
		{Kind: v1beta1.GitRepositoryKind, Namespace: "default", Name: "config", Path: "values.yaml", Optional: true},
	}
	apply(t, values)
	refused := awaitNotReady(t, values, v1beta1.AccessDeniedReason)
	if !strings.Contains(refused.Message, "spec.valuesFrom[0] names GitRepository default/config in another namespace") {
		t.Errorf("of values of another namespace it says %s", refused.Message)
	}

	remove(t, hr)
	until(t, "the release is uninstalled", func() bool { return !exists(t, hr) })
	if log, err := os.ReadFile(restricted.Log); err != nil || strings.Contains(string(log), "failed to watch") {
		t.Errorf("the log mentions watches that are forbidden, or cannot be read: %v", err)
	}
}

// The upstreams of strict mode: neither the loopback address nor the cluster's own addresses, unless they are allowed.
func TestStrictRefusesUpstreamsInTheCluster(t *testing.T) {
	ns := namespace(t)
	instead(t, world.cluster, "--tenancy", "strict")
	for name, url := range map[string]string{
		"loopback": "oci://" + world.registry.Host() + "/" + ns,
		"service":  "http://10.96.0.1/charts",
		"pod":      "http://10.244.0.7:8879",
	} {
		repository := ociRepository(ns, "oci://"+world.registry.Host()+"/"+ns+"/sample",
			&v1beta1.OCIRepositoryRef{SemVer: "*"})
		repository.Name = name
		if strings.HasPrefix(url, "http://") {
			charts := helmRepository(ns, name, url)
			apply(t, charts)
			world.cluster.AwaitReadiness(t, charts, "its address is refused", refuses("refused"))
			continue
		}
		apply(t, repository)
		world.cluster.AwaitReadiness(t, repository, "its address is refused", refuses("refused"))
	}
}

// SSL_CERT_FILE, which the chart sets for a bundle of authorities, is what upstreams without a certSecretRef are
// trusted by.
func TestABundleOfAuthorities(t *testing.T) {
	ns := namespace(t)
	o, authority, _ := over(t)
	o.Username, o.Password = "", ""
	registry, err := servers.Registry(t.TempDir(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = registry.Close() })
	push(t, registry, "apps", "sample", "1.0.0")
	repository := ociRepository(ns, "oci://"+registry.Host()+"/apps/sample", &v1beta1.OCIRepositoryRef{SemVer: "*"})
	repository.Spec.Insecure = false
	apply(t, repository)
	world.cluster.AwaitReadiness(t, repository, "the authority is not known", refuses("unknown authority"))

	bundle := filepath.Join(t.TempDir(), "bundle.pem")
	if err := os.WriteFile(bundle, authority.PEM, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("SSL_CERT_FILE", bundle)
	instead(t, world.cluster)
	awaitReady(t, repository)
}
