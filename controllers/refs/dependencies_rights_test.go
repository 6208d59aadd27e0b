package refs

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/kube/cluster"
)

// neighbour is a HelmRelease of another namespace with a secret in its values and in an annotation.
func neighbour() *v1beta1.HelmRelease {
	hr := helmRelease("b", ready)
	hr.Namespace = "team-b"
	hr.Labels = map[string]string{"tier": "back"}
	hr.Annotations = map[string]string{"kubectl.kubernetes.io/last-applied-configuration": `{"password":"hunter2"}`}
	hr.Spec.Values = &runtime.RawExtension{Raw: []byte(`{"password":"hunter2"}`)}
	return hr
}

func askingFor(expression string) *v1beta1.HelmRelease {
	return helmRelease("a", depends(v1beta1.DependencyReference{Name: "b", Namespace: "team-b", ReadyExpr: expression}))
}

// Without an identity of its own, a release sees the metadata and the status only of what is in other namespaces.
func TestAnExpressionSeesNoSpecOfAnotherNamespace(t *testing.T) {
	t.Parallel()
	for expression, ready := range map[string]bool{
		"dep.spec.values.password.startsWith('h')": false,
		"has(dep.spec)":                       false,
		"'spec' in dep":                       false,
		"dep.metadata.annotations.size() > 0": false,
		"dep.metadata.name == 'b' && dep.metadata.labels.tier == 'back'":                                        true,
		"dep.kind == 'HelmRelease' && dep.status.conditions.exists(c, c.type == 'Ready' && c.status == 'True')": true,
	} {
		t.Run(expression, func(t *testing.T) {
			t.Parallel()
			err := newDependencies(t, nil, neighbour()).Check(t.Context(), askingFor(expression), cluster.Access{})
			if (err == nil) != ready {
				t.Fatalf("error = %v", err)
			}
			if err == nil {
				return
			}
			if !IsObstacle(err) || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("error = %v", err)
			}
			if strings.HasPrefix(expression, "dep.spec") && !strings.Contains(err.Error(), "set spec.serviceAccountName") {
				t.Errorf("what would help is not named: %s", err)
			}
		})
	}
	own := neighbour()
	own.Namespace = "apps"
	release := helmRelease("a",
		depends(v1beta1.DependencyReference{Name: "b", ReadyExpr: "dep.spec.values.password == 'hunter2'"}))
	if err := newDependencies(t, nil, own).Check(t.Context(), release, cluster.Access{}); err != nil {
		t.Errorf("in its own namespace: %v", err)
	}
}

// With an identity, what is in other namespaces is read as that identity, on the cluster where the releases are
// declared.
func TestAnExpressionAboutAnotherNamespaceIsAnsweredWithTheRightsOfTheRelease(t *testing.T) {
	const user = "system:serviceaccount:apps:deployer"
	content := map[string]any{"spec": map[string]any{"values": map[string]any{"password": "hunter2"}}}
	seen := &unstructured.Unstructured{Object: content}
	seen.SetGroupVersionKind(v1beta1.GroupVersion.WithKind("HelmRelease"))
	seen.SetName("b")
	seen.SetNamespace("team-b")
	forbidden := apierrors.NewForbidden(schema.GroupResource{Group: v1beta1.GroupVersion.Group, Resource: "helmreleases"},
		"b", errSentinel)
	for name, tt := range map[string]struct {
		event  any
		reason string
	}{
		"allowed":   {event: seen},
		"forbidden": {event: forbidden, reason: v1beta1.AccessDeniedReason},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newObserved(t.Context())
				d := newDependencies(t, w.DependencyWatcher, neighbour())
				release, access := askingFor("dep.spec.values.password.startsWith('h')"), cluster.Access{
					User: user, Kubeconfig: []byte("@remote"),
				}
				var reading *PendingReadError
				if err := d.Check(t.Context(), release, access); !errors.As(err, &reading) {
					t.Fatalf("before it was read: %v", err)
				}
				w.happen(t, user+" b", tt.event)
				err := d.Check(t.Context(), release, access)
				if ReasonOf(err) != tt.reason || (err == nil) != (tt.reason == "") {
					t.Errorf("error = %v", err)
				}
			})
		})
	}
}
