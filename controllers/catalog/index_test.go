package catalog

import (
	"errors"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"fairlead.dev/fairlead/api/v1beta1"
)

// Where references to other namespaces are refused, nothing is looked for on their behalf.
func TestChoicesOfOtherNamespaces(t *testing.T) {
	t.Parallel()
	release := func(namespace string) *v1beta1.HelmRelease {
		hr := &v1beta1.HelmRelease{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "web"}}
		hr.Spec.Chart = &v1beta1.HelmChartTemplate{
			Spec: v1beta1.HelmChartTemplateSpec{Chart: "of-" + namespace, SourceRef: v1beta1.SourceReference{
				Kind: charts.Kind, Namespace: charts.Namespace, Name: charts.Name,
			}}}
		return hr
	}
	for refuse, want := range map[bool]int{false: 2, true: 1} {
		scheme := runtime.NewScheme()
		if err := errors.Join(v1beta1.AddToScheme(scheme), corev1.AddToScheme(scheme)); err != nil {
			t.Fatal(err)
		}
		b := builder{fake.NewClientBuilder().WithScheme(scheme).WithObjects(release("apps"), release("tenant"))}
		if err := Index(t.Context(), b, refuse); err != nil {
			t.Fatal(err)
		}
		found, err := ChoicesOf(b.Build())(t.Context(), charts)
		if err != nil || len(found) != want || found[0].Chart != "of-apps" {
			t.Errorf("refused %v: choices %v, %v", refuse, found, err)
		}
	}
}
