package keep

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic/fake"
	clienttesting "k8s.io/client-go/testing"

	"fairlead.dev/fairlead/api/v1beta1"
)

// brokenMapper is a mapper that cannot read the kinds of the cluster.
type brokenMapper struct{ meta.RESTMapper }

func (brokenMapper) RESTMapping(schema.GroupKind, ...string) (*meta.RESTMapping, error) {
	return nil, errors.New("no answer")
}

// Of the objects that were kept only those stay in the list that are there and that no client has taken over. What
// cannot be read stays, too.
func TestWhatIsStillKept(t *testing.T) {
	t.Parallel()
	claims := schema.GroupVersionKind{Version: "v1", Kind: Claim.Kind}
	mapper := meta.NewDefaultRESTMapper([]schema.GroupVersion{
		claims.GroupVersion(), {Group: Definition.Group, Version: "v1"},
	})
	mapper.Add(claims, meta.RESTScopeNamespace)
	mapper.Add(Definition.WithVersion("v1"), meta.RESTScopeRoot)
	made := func(kind schema.GroupVersionKind, namespace, name string) *unstructured.Unstructured {
		o := &unstructured.Unstructured{}
		o.SetGroupVersionKind(kind)
		o.SetNamespace(namespace)
		o.SetName(name)
		return o
	}
	ofHelm, ofSet := made(claims, "a", "ofHelm"), made(claims, "a", "ofSet")
	ofHelm.SetAnnotations(map[string]string{releaseNameAnnotation: "web"})
	ofSet.SetLabels(map[string]string{v1beta1.KustomizationNameLabel: "apps"})
	client := fake.NewSimpleDynamicClient(runtime.NewScheme(), made(claims, "a", "free"), ofHelm, ofSet,
		made(Definition.WithVersion("v1"), "", "things"), made(claims, "a", "elsewhere"))
	client.PrependReactor("get", "*", func(a clienttesting.Action) (bool, runtime.Object, error) {
		get := a.(clienttesting.GetAction)
		hidden := apierrors.NewForbidden(get.GetResource().GroupResource(), get.GetName(), errors.New("no"))
		return get.GetName() == "hidden", nil, hidden
	})
	kept := func(kind schema.GroupKind, namespace, name string) v1beta1.KeptObject {
		return v1beta1.KeptObject{Group: kind.Group, Kind: kind.Kind, Namespace: namespace, Name: name, Reason: "data"}
	}
	before := []v1beta1.KeptObject{
		kept(Claim, "a", "free"), kept(Claim, "a", "ofHelm"), kept(Claim, "a", "ofSet"), kept(Claim, "a", "gone"),
		kept(Claim, "a", "hidden"), kept(Definition, "", "things"), kept(Definition, "", "gone"),
		kept(Claim, "b", "elsewhere"), kept(schema.GroupKind{Group: "example.com", Kind: "Unknown"}, "a", "x"),
	}
	want := []v1beta1.KeptObject{before[0], before[4], before[5]}
	if diff := cmp.Diff(want, Objects{Mapper: mapper, Dynamic: client}.Still(t.Context(), before)); diff != "" {
		t.Errorf("still kept are (-want +got):\n%s", diff)
	}
	unread := Objects{Mapper: brokenMapper{}, Dynamic: client}.Still(context.Background(), before)
	if diff := cmp.Diff(before, unread); diff != "" {
		t.Errorf("while the kinds are not known, kept are (-want +got):\n%s", diff)
	}
}
