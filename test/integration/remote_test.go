package integration

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/test/env"
)

// remote is another cluster than the controller's own, with a namespace for the test.
type remote struct {
	*env.Cluster
	dir string
}

// newRemote starts another cluster and puts its kubeconfig into a Secret of the namespace.
func newRemote(t *testing.T, ns string) *remote {
	t.Helper()
	r := &remote{dir: filepath.Join(world.dir, ns, "remote")}
	r.start(t)
	t.Cleanup(func() {
		if err := r.Stop(); err != nil {
			t.Error(err)
		}
	})
	kubeconfig, err := os.ReadFile(r.Kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	apply(t, &corev1.Secret{ObjectMeta: named(ns, "remote"), Data: map[string][]byte{"value": kubeconfig}})
	if err := r.Apply(t.Context(), &corev1.Namespace{ObjectMeta: named("", ns)}); err != nil {
		t.Fatal(err)
	}
	return r
}

func (r *remote) start(t *testing.T) {
	t.Helper()
	started, err := env.StartCluster(t.Context(), r.dir)
	if err != nil {
		t.Fatal(err)
	}
	r.Cluster = started
}

// has reports whether the remote cluster has an object.
func (r *remote) has(t *testing.T, object client.Object) bool {
	t.Helper()
	return r.Exists(t, object)
}

func (r *remote) message(t *testing.T, ns, name string) string {
	t.Helper()
	config := &corev1.ConfigMap{ObjectMeta: named(ns, name)}
	if !r.has(t, config) {
		return ""
	}
	return config.Data["message"]
}

func remoteRelease(ns, name, values string) *v1beta1.HelmRelease {
	hr := release(ns, name, "sample", "*", "charts", values)
	hr.Spec.KubeConfig = &v1beta1.KubeConfigReference{SecretRef: &v1beta1.SecretKeyReference{Name: "remote"}}
	return hr
}

// A release on another cluster is there with all that belongs to it, and its ServiceAccount is one of that cluster.
// While that cluster is away no other object waits for it, and when it is back work continues.
func TestAnotherCluster(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	registrySample(t, ns, "1.0.0")
	r := newRemote(t, ns)
	hr := remoteRelease(ns, "web", `{"message":"one"}`)
	hr.Spec.ServiceAccountName = "deployer"
	apply(t, &corev1.ServiceAccount{ObjectMeta: named(ns, "deployer")}, hr)
	ready := awaitNotReady(t, hr, v1beta1.AccessDeniedReason)
	if !strings.Contains(ready.Message, "system:serviceaccount:"+ns+":deployer") {
		t.Errorf("the message does not name who lacks a right: %s", ready.Message)
	}
	allow(t, r, ns)
	mustRun(t, "fairlead", "reconcile", "release", "web", "-n", ns)
	awaitReady(t, hr)
	apply(t, withValues(hr, `{"message":"two"}`))
	awaitReady(t, hr)
	if got := r.message(t, ns, "web"); got != "two" {
		t.Errorf("on the other cluster the message is %q", got)
	}
	if !r.has(t, recordOf(ns, "web.v2")) || exists(t, recordOf(ns, "web.v2")) || exists(t, recordOf(ns, "web.v1")) {
		t.Error("the records are not on the cluster of the release alone")
	}
	if exists(t, &corev1.ConfigMap{ObjectMeta: named(ns, "web")}) {
		t.Error("the release is on the controller's own cluster")
	}
	removed(t, hr)
	if r.has(t, recordOf(ns, "web.v2")) || r.message(t, ns, "web") != "" {
		t.Error("something of the deleted release is left on the other cluster")
	}
	awayAndBack(t, r, ns)
}

// allow lets the ServiceAccount deployer do everything in the namespace of the remote cluster.
func allow(t *testing.T, r *remote, ns string) {
	t.Helper()
	binding := &rbacv1.RoleBinding{
		ObjectMeta: named(ns, "deployer"),
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "cluster-admin"},
		Subjects:   []rbacv1.Subject{{Kind: "ServiceAccount", Namespace: ns, Name: "deployer"}},
	}
	if err := r.Apply(t.Context(), binding); err != nil {
		t.Fatal(err)
	}
}

func awayAndBack(t *testing.T, r *remote, ns string) {
	t.Helper()
	waiting, changed, leaving := remoteRelease(ns, "waiting", ""), remoteRelease(ns, "changed", ""), remoteRelease(ns,
		"leaving", "")
	waiting.Spec.Timeout = &metav1.Duration{Duration: time.Hour}
	releases := []*v1beta1.HelmRelease{waiting, changed, leaving}
	for _, hr := range releases {
		apply(t, hr)
	}
	for _, hr := range releases {
		awaitReady(t, hr)
	}
	apply(t, withValues(waiting, `{"unready":true}`))
	until(t, "the release waits", func() bool { return r.has(t, recordOf(ns, "waiting.v2")) })
	if err := r.Stop(); err != nil {
		t.Fatal(err)
	}
	created := remoteRelease(ns, "created", `{"message":"new"}`)
	apply(t, withValues(changed, `{"message":"new"}`), created)
	remove(t, leaving)
	for _, hr := range []*v1beta1.HelmRelease{changed, created} {
		if ready := awaitNotReady(t, hr, v1beta1.ClusterUnreachableReason); !strings.Contains(ready.Message,
			"connection refused") {
			t.Errorf("%s: the message does not say why: %s", hr.Name, ready.Message)
		}
	}
	local := release(ns, "local", "sample", "*", "charts", "")
	apply(t, local)
	awaitReady(t, local)
	if !exists(t, leaving) {
		t.Error("the deleted object went although its release could not be uninstalled")
	}

	r.start(t)
	apply(t, withValues(waiting, `{"message":"new"}`))
	for _, hr := range []*v1beta1.HelmRelease{waiting, changed, created} {
		awaitReady(t, hr)
		if got := r.message(t, ns, hr.Name); got != "new" {
			t.Errorf("%s has the message %q", hr.Name, got)
		}
	}
	until(t, "the deleted release goes", func() bool { return !exists(t, leaving) })
	if r.message(t, ns, "leaving") != "" || r.has(t, recordOf(ns, "leaving.v1")) {
		t.Error("the deleted release is still there")
	}
}
