package catalog

import (
	"net/http"
	"sync/atomic"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/test/servers"
)

// The source of a stage is asked of upstream once: it is pinned to a digest. What a user asks for, other credentials, a
// failure, and a source that no pipeline owns, are asked of upstream.
func TestTheSourceOfAStageAsksOnce(t *testing.T) {
	t.Parallel()
	var requests atomic.Int32
	registry, err := servers.Registry(t.TempDir(), servers.Options{
		Username: "team", Password: "right",
		Intercept: func(http.ResponseWriter, *http.Request) bool { requests.Add(1); return false },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = registry.Close() })
	archive, err := servers.BuildChart(map[string]string{"Chart.yaml": "apiVersion: v2\nname: web\nversion: 1.0.0\n"})
	if err != nil {
		t.Fatal(err)
	}
	digest, err := registry.PushChart(t.Context(), "charts", archive)
	if err != nil {
		t.Fatal(err)
	}
	repository := &v1beta1.OCIRepository{ObjectMeta: metav1.ObjectMeta{
		Namespace: "apps", Name: "web-dev", UID: "u1", Generation: 1, OwnerReferences: []metav1.OwnerReference{{
			APIVersion: v1beta1.GroupVersion.String(), Kind: v1beta1.ReleasePipelineKind, Name: "web", UID: "u2",
			Controller: new(true),
		}},
	}}
	repository.Spec.URL, repository.Spec.Insecure = "oci://"+registry.Host()+"/charts/web", true
	repository.Spec.SecretRef = &v1beta1.LocalObjectReference{Name: "key"}
	repository.Spec.Reference = &v1beta1.OCIRepositoryRef{Digest: digest}
	g := guardedBy(t, repository, &atomic.Int32{})
	g.poll = g.catalog.pollOCIRepository
	polls := func(what string, asks bool) {
		t.Helper()
		requests.Store(0)
		g.must(g.polled())
		repository.Status.ObservedGeneration = repository.Generation
		if n := requests.Load(); (n > 0) != asks {
			t.Errorf("%s: %d requests, want some: %t", what, n, asks)
		}
	}

	polls("the first poll", true)
	polls("a poll at the interval", false)
	repository.Annotations = map[string]string{v1beta1.ReconcileRequestAnnotation: "now"}
	polls("a requested poll", true)
	repository.Status.LastHandledReconcileAt = "now"
	polls("a poll after the request was handled", false)
	secret := &corev1.Secret{}
	g.must(g.objects.Get(t.Context(), client.ObjectKey{Namespace: "apps", Name: "key"}, secret))
	secret.Labels = map[string]string{"touched": "yes"}
	g.must(g.objects.Update(t.Context(), secret))
	polls("a poll with other credentials", true)
	polls("a poll with these credentials", false)
	meta.FindStatusCondition(repository.Status.Conditions, v1beta1.ReadyCondition).Status = metav1.ConditionFalse
	polls("a poll after a failure", true)
	repository.Generation++
	polls("a poll after a change", true)
	repository.OwnerReferences = nil
	polls("a poll of a source that no pipeline owns", true)
}
