package source

import (
	"context"
	"errors"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/controllers/catalog"
	"fairlead.dev/fairlead/sources/store"
)

var (
	now    = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	charts = catalog.ChartRef{Kind: v1beta1.HelmRepositoryKind, Namespace: "apps", Name: "charts"}
)

// builder collects the indexes that are registered.
type builder struct{ *fake.ClientBuilder }

func (b builder) IndexField(_ context.Context, object client.Object, field string, extract client.IndexerFunc) error {
	b.WithIndex(object, field, extract)
	return nil
}

func newClient(t *testing.T, objects ...client.Object) client.Client {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := errors.Join(v1beta1.AddToScheme(scheme), corev1.AddToScheme(scheme)); err != nil {
		t.Fatal(err)
	}
	b := builder{fake.NewClientBuilder().WithScheme(scheme).WithObjects(objects...)}
	if err := errors.Join(catalog.Index(t.Context(), b, false), index(t.Context(), b)); err != nil {
		t.Fatal(err)
	}
	return b.Build()
}

func newStore(t *testing.T) *store.Store {
	t.Helper()
	s, err := store.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func repository(change ...func(*v1beta1.HelmRepository)) *v1beta1.HelmRepository {
	r := &v1beta1.HelmRepository{
		ObjectMeta: metav1.ObjectMeta{Namespace: "apps", Name: "charts", UID: "u1", Generation: 1},
	}
	r.Spec.URL = "https://charts.example.com"
	for _, c := range change {
		c(r)
	}
	return r
}
