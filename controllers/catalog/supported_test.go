package catalog

import (
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/sources"
)

// Nothing is taken from a source that is not supported, not even what an earlier poll has found.
func TestNothingIsTakenFromAnUnsupportedSource(t *testing.T) {
	t.Parallel()
	repository := &v1beta1.OCIRepository{ObjectMeta: metav1.ObjectMeta{Namespace: "apps", Name: "web", Generation: 2}}
	repository.Spec.Provider = "gcp"
	repository.Status.Chart = &v1beta1.ChartRevision{Name: "web", Version: "1.0.0", Digest: "sha256:1"}
	known := runtime.NewScheme()
	if err := v1beta1.AddToScheme(known); err != nil {
		t.Fatal(err)
	}
	objects := fake.NewClientBuilder().WithScheme(known).WithObjects(repository).Build()
	catalog := NewCatalog(objects, objects, nil)
	choice := ChartRef{Kind: v1beta1.OCIRepositoryKind, Namespace: "apps", Name: "web"}
	_, err := catalog.Chart(t.Context(), choice)
	if sources.Reason(err) != v1beta1.SourceNotReadyReason ||
		!strings.Contains(err.Error(), "spec.provider gcp is not supported") {
		t.Errorf("error %v", err)
	}
	if last, known := catalog.Last(t.Context(), choice); !known || last != *repository.Status.Chart {
		t.Errorf("a release that runs cannot be told its chart: %+v, %t", last, known)
	}
}
