package integration

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"helm.sh/helm/v3/pkg/action"
	"helm.sh/helm/v3/pkg/chart"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"

	"fairlead.dev/fairlead/helmops/engine/crds"
	"fairlead.dev/fairlead/helmops/kube/cluster"
)

var definitions = schema.GroupVersionResource{
	Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions",
}

// definition is a file of a chart's crds/ directory; the last version is the one that is stored.
func definition(group, plural, kind string, versions ...string) chart.CRD {
	var text strings.Builder
	fmt.Fprintf(&text, "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: %s.%s}\n",
		plural, group)
	fmt.Fprintf(&text, "spec:\n  group: %s\n  scope: Namespaced\n  names: {kind: %s, plural: %s}\n  versions:\n", group,
		kind, plural)
	for i, version := range versions {
		fmt.Fprintf(&text, "  - {name: %s, served: true, storage: %v, schema: {openAPIV3Schema: {type: object}}}\n", version,
			i == len(versions)-1)
	}
	return chart.CRD{Filename: "crds/" + plural + ".yaml", File: &chart.File{Data: []byte(text.String())}}
}

func connect(t *testing.T) *cluster.Cluster {
	t.Helper()
	connected, err := cluster.New(world.cluster.Config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(connected.Close)
	return connected
}

func TestDefinitionsOfManyReleasesAtOnce(t *testing.T) {
	t.Parallel()
	const group = "once.fairlead.test"
	on := connect(t)
	before, err := on.Capabilities(t.Context())
	if err != nil || before.APIVersions.Has(group+"/v1") {
		t.Fatalf("%v", err)
	}
	files := []chart.CRD{definition(group, "widgets", "Widget", "v1"), definition(group, "gadgets", "Gadget", "v1")}
	var all sync.WaitGroup
	var lock sync.Mutex
	var created []string
	for range 6 {
		all.Go(func() {
			result, err := crds.Apply(t.Context(), on.Self(), files, crds.CreateReplace)
			if err != nil {
				t.Error(err)
				return
			}
			caps, err := on.Capabilities(t.Context())
			if err != nil || !caps.APIVersions.Has(group+"/v1/Widget") || !caps.APIVersions.Has(group+"/v1/Gadget") {
				t.Errorf("a chart that is rendered now does not see the kinds: %v", err)
			}
			if _, err := on.Mapper().RESTMapping(schema.GroupKind{Group: group, Kind: "Widget"}, "v1"); err != nil {
				t.Error(err)
			}
			lock.Lock()
			defer lock.Unlock()
			created = append(created, result.Created...)
		})
	}
	all.Wait()
	slices.Sort(created)
	if want := []string{"gadgets." + group, "widgets." + group}; !slices.Equal(created, want) {
		t.Errorf("created are %v, want each once", created)
	}
}

func TestDefinitionsAreReplacedWithCare(t *testing.T) {
	t.Parallel()
	const group, name = "care.fairlead.test", "widgets.care.fairlead.test"
	on := connect(t)
	apply := func(policy crds.Policy, versions ...string) (crds.Result, error) {
		return crds.Apply(t.Context(), on.Self(), []chart.CRD{definition(group, "widgets", "Widget", versions...)}, policy)
	}
	served := func() []string {
		live, err := on.Self().Dynamic().Resource(definitions).Get(t.Context(), name, metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		list, _, _ := unstructured.NestedSlice(live.Object, "spec", "versions")
		var names []string
		for _, version := range list {
			names = append(names, version.(map[string]any)["name"].(string))
		}
		return names
	}
	if result, err := apply(crds.Create, "v1"); err != nil || !slices.Equal(result.Created, []string{name}) {
		t.Fatalf("creating gives %+v, %v", result, err)
	}
	if result, err := apply("", "v1", "v2"); err != nil || len(result.Unchanged) != 1 ||
		!slices.Equal(served(), []string{"v1"}) {
		t.Errorf("the default gives %+v, %v and versions %v; want it left alone", result, err, served())
	}
	if result, err := apply(crds.CreateReplace, "v1", "v2"); err != nil || len(result.Replaced) != 1 ||
		len(served()) != 2 {
		t.Errorf("replacing gives %+v, %v and versions %v", result, err, served())
	}
	if result, err := apply(crds.CreateReplace, "v1", "v2"); err != nil || len(result.Unchanged) != 1 {
		t.Errorf("replacing with the same gives %+v, %v", result, err)
	}
	var refusal *crds.RefusalError
	if _, err := apply(crds.CreateReplace, "v2"); !errors.As(err, &refusal) || refusal.Name != name || len(served()) != 2 {
		t.Errorf("dropping a stored version gives %v and versions %v; want a refusal", err, served())
	}
	if err := on.Self().Dynamic().Resource(definitions).Delete(t.Context(), name, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	until(t, "the mapper forgets the kind", func() bool {
		_, err := on.Mapper().RESTMapping(schema.GroupKind{Group: group, Kind: "Widget"})
		return meta.IsNoMatchError(err)
	})
}

// Charts see of the cluster what Helm shows them.
func TestCapabilitiesAreHelms(t *testing.T) {
	on := connect(t)
	ours, err := on.Capabilities(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	client, err := discovery.NewDiscoveryClientForConfig(world.cluster.Config)
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := action.GetVersionSet(client)
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(theirs)
	if !slices.Equal(ours.APIVersions, theirs) {
		t.Errorf("the API versions are\n%v\nHelm says\n%v", ours.APIVersions, theirs)
	}
}
