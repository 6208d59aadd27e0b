package view

import (
	"context"
	"errors"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"fairlead.dev/fairlead/api/v1beta1"
)

// traceWorld are a release in another namespace than its Helm release, one of another cluster, and objects.
func traceWorld(t *testing.T) (own, other client.Client) {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := v1beta1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	remote := &v1beta1.HelmRelease{
		ObjectMeta: metav1.ObjectMeta{Namespace: "a", Name: "remote"},
		Spec: v1beta1.HelmReleaseSpec{
			KubeConfig: &v1beta1.KubeConfigReference{}, ReleaseName: "shop", TargetNamespace: "web",
		},
	}
	here := &v1beta1.HelmRelease{
		ObjectMeta: metav1.ObjectMeta{Namespace: "fleet", Name: "shop"},
		Spec:       v1beta1.HelmReleaseSpec{ReleaseName: "shop", TargetNamespace: "web"},
	}
	made := metav1.ObjectMeta{Namespace: "web", Name: "made", Annotations: map[string]string{
		helmNameAnnotation: "shop", helmNamespaceAnnotation: "web",
	}}
	replaced := metav1.ObjectMeta{Namespace: "web", Name: "replaced", OwnerReferences: []metav1.OwnerReference{
		{APIVersion: "v1", Kind: "ConfigMap", Name: "made", UID: "another"},
	}}
	return fake.NewClientBuilder().WithScheme(scheme).WithObjects(remote, here).Build(),
		fake.NewClientBuilder().WithScheme(clientgoscheme.Scheme).WithObjects(
			&corev1.ConfigMap{ObjectMeta: made}, &corev1.ConfigMap{ObjectMeta: replaced},
		).Build()
}

func TestTrace(t *testing.T) {
	t.Parallel()
	own, other := traceWorld(t)
	kind := corev1.SchemeGroupVersion.WithKind("ConfigMap")
	tests := map[string]struct {
		name, step, note string
		managed          bool
	}{
		"the release of this cluster": {
			name: "made", managed: true, step: "release fleet/shop", note: "not in the inventory",
		},
		"an owner of another life": {name: "replaced", note: "was replaced by another object"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			key := types.NamespacedName{Namespace: "web", Name: tt.name}
			got, err := NewReader(own).Trace(t.Context(), other, kind, key)
			if err != nil {
				t.Fatal(err)
			}
			var steps []string
			for _, s := range got.Steps {
				steps = append(steps, s.Role+" "+s.Namespace+"/"+s.Name)
			}
			if got.Managed != tt.managed || strings.Join(steps, ", ") != tt.step {
				t.Errorf("managed %t, steps %q", got.Managed, steps)
			}
			if notes := strings.Join(got.Notes, "\n"); !strings.Contains(notes, tt.note) {
				t.Errorf("notes %q, want %q", notes, tt.note)
			}
		})
	}
}

// Of a Secret nothing but its metadata is asked for.
func TestTraceReadsMetadataOnly(t *testing.T) {
	t.Parallel()
	own, other := traceWorld(t)
	reader := metadataReader{t, other}
	key := types.NamespacedName{Namespace: "web", Name: "absent"}
	_, err := NewReader(own).Trace(t.Context(), reader, corev1.SchemeGroupVersion.WithKind("Secret"), key)
	var failed *RequestError
	if !errors.As(err, &failed) || failed.Request() != "get secrets absent in namespace web" {
		t.Errorf("error %v", err)
	}
}

type metadataReader struct {
	t *testing.T
	client.Client
}

func (r metadataReader) Get(
	ctx context.Context, key client.ObjectKey, o client.Object, opts ...client.GetOption,
) error {
	if _, is := o.(*metav1.PartialObjectMetadata); !is {
		r.t.Errorf("it reads a %T", o)
	}
	return r.Client.Get(ctx, key, o, opts...)
}
