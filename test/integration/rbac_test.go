package integration

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/test/env"
)

// With the generated role alone, the controller does everything but change what releases are made of; it says what it
// lacks, and continues once it has it.
func TestTheGeneratedRoleIsEnough(t *testing.T) {
	ns := namespace(t)
	if err := world.controller.Stop(); err != nil {
		t.Fatal(err)
	}
	limited := serviceAccount(t, ns)
	restricted, err := env.StartController(t.Context(), limited, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := restricted.Stop(); err != nil {
			t.Error(err)
		}
		if err := startController(context.Background()); err != nil {
			t.Error(err)
		}
	})
	repository := registrySample(t, ns, "1.0.0")
	hr := release(ns, "web", "sample", "*", "charts", "")
	apply(t, hr)
	awaitReady(t, repository)
	ready := awaitNotReady(t, hr, v1beta1.AccessDeniedReason)
	for _, text := range []string{`Deployment "web"`, "forbidden", "system:serviceaccount:" + ns + ":fairlead"} {
		if !strings.Contains(ready.Message, text) {
			t.Errorf("the message lacks %q: %s", text, ready.Message)
		}
	}
	until(t, "it is reported as an event", func() bool {
		events := &corev1.EventList{}
		if err := world.cluster.Client.List(t.Context(), events, client.InNamespace(ns)); err != nil {
			t.Fatal(err)
		}
		for _, event := range events.Items {
			if event.Reason == v1beta1.AccessDeniedReason && event.InvolvedObject.Name == "web" {
				return true
			}
		}
		return false
	})

	bind(t, ns, "admin", "cluster-admin")
	mustRun(t, "fairlead", "reconcile", "release", "web", "-n", ns, "--wait")
	awaitReady(t, hr)
	if log, err := os.ReadFile(restricted.Log); err != nil || strings.Contains(string(log), "failed to watch") {
		t.Errorf("the log mentions watches that are forbidden, or cannot be read: %v", err)
	}
}

// serviceAccount creates an identity with the generated role and returns the cluster as it sees it.
func serviceAccount(t *testing.T, ns string) *env.Cluster {
	t.Helper()
	root, err := env.Root()
	if err != nil {
		t.Fatal(err)
	}
	document, err := os.ReadFile(filepath.Join(root, "config", "rbac", "role.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	role := &rbacv1.ClusterRole{}
	if err := yaml.UnmarshalStrict(document, role); err != nil {
		t.Fatal(err)
	}
	apply(t, role, &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "fairlead"}})
	bind(t, ns, "generated", role.Name)
	as, err := world.cluster.As(t.Context(), ns, "fairlead", t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return as
}

func bind(t *testing.T, ns, name, role string) {
	t.Helper()
	binding := &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: ns + "-" + name},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role},
		Subjects:   []rbacv1.Subject{{Kind: "ServiceAccount", Namespace: ns, Name: "fairlead"}},
	}
	apply(t, binding)
	t.Cleanup(func() { _ = world.cluster.Client.Delete(context.Background(), binding) })
}
