package catalog

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/promotion"
	"fairlead.dev/fairlead/sources"
	"fairlead.dev/fairlead/sources/helmrepo"
	"fairlead.dev/fairlead/test/servers"
)

// listingPipeline is a pipeline of the charts of the HelmRepository stable that it includes.
func listingPipeline(include, exclude string) *v1beta1.ReleasePipeline {
	p := &v1beta1.ReleasePipeline{ObjectMeta: metav1.ObjectMeta{Namespace: "apps", Name: "all"}}
	p.Spec.Subject.SourceRef = v1beta1.PipelineSourceReference{Kind: v1beta1.HelmRepositoryKind, Name: "stable"}
	p.Spec.Subject.Charts = &v1beta1.PipelineCharts{Include: include, Exclude: exclude}
	return p
}

func TestNamesOfAnIndex(t *testing.T) {
	t.Parallel()
	var text strings.Builder
	text.WriteString("apiVersion: v1\nentries:\n  empty: []\n")
	for _, name := range []string{"shop-web", "shop-cart", "shop-test", "ingress"} {
		fmt.Fprintf(&text, "  %s: [{name: %s, version: 1.0.0, urls: [a.tgz]}]\n", name, name)
	}
	for i := range 2 * maxListed {
		fmt.Fprintf(&text, "  many%03d: [{name: many%03d, version: 1.0.0, urls: [a.tgz]}]\n", i, i)
	}
	index, err := helmrepo.ParseIndex(strings.NewReader(text.String()), 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		include, exclude string
		want             []string
		reason           string
	}{
		{"^shop-", "", []string{"shop-cart", "shop-test", "shop-web"}, ""},
		{"shop", "test$", []string{"shop-cart", "shop-web"}, ""},
		{"^empty$", "", nil, ""},
		{"(", "", nil, v1beta1.InvalidReferenceReason},
		{"shop", "(", nil, v1beta1.InvalidReferenceReason},
	} {
		found := pickNames(index, ChoiceOfPipeline(listingPipeline(tt.include, tt.exclude)))
		if diff := cmp.Diff(tt.want, found.Names); diff != "" || sources.Reason(found.err) != tt.reason {
			t.Errorf("%q without %q: %v (-want +got):\n%s", tt.include, tt.exclude, found.err, diff)
		}
	}
	if found := pickNames(index, ChoiceOfPipeline(listingPipeline("many", ""))); len(found.Names) !=
		promotion.MaxCharts+1 {
		t.Errorf("%d names are kept", len(found.Names))
	}
}

// The charts of an index are listed by the poll that answers all choices of the source. Those who asked are called when
// the list is another one, and only then.
func TestListing(t *testing.T) {
	t.Parallel()
	server, err := servers.ChartRepository(servers.ChartOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	if err := server.Add(archiveOf(t, "1.0.0")); err != nil {
		t.Fatal(err)
	}
	source := repository(func(r *v1beta1.HelmRepository) { r.Spec.URL = server.URL() })
	p := listingPipeline("^web", "")
	p.Namespace, p.Spec.Subject.SourceRef.Name = source.Namespace, source.Name
	client := newClient(t, source, p)
	c := NewCatalog(client, client, newStore(t))
	choice := ChoiceOfPipeline(p)
	if _, err := c.Names(t.Context(), choice); !IsPending(err) {
		t.Errorf("before a poll the answer is %v", err)
	}
	choices, err := ChoicesOf(client)(t.Context(), choice.Source())
	if err != nil || len(choices) != 1 || choices[0] != choice {
		t.Fatalf("the source is asked for %v, %v", choices, err)
	}
	for range 2 {
		if polled := c.Poll(t.Context(), source, choices); polled.Err != nil ||
			strings.Contains(polled.Message, "does not have") {
			t.Fatalf("the poll: %+v", polled)
		}
		names, err := c.Names(t.Context(), choice)
		if diff := cmp.Diff([]string{"web"}, names); err != nil || diff != "" {
			t.Errorf("the names: %v, %s", err, diff)
		}
	}
	if got := PipelinesOf(t.Context(), client, choice); len(got) != 1 {
		t.Errorf("a change of the list wakes %v", got)
	}
	if got := PipelinesOf(t.Context(), client, choice.Source()); len(got) != 1 {
		t.Errorf("a change of the source wakes %v", got)
	}
	a, b := resolved{Names: []string{"web"}}, resolved{Names: []string{"web", "web2"}}
	if sameAnswer(a, b) || !sameAnswer(a, a) {
		t.Error("another list is not another answer")
	}
}

// A registry cannot list its charts.
func TestARegistryListsNothing(t *testing.T) {
	t.Parallel()
	registry, err := servers.Registry(t.TempDir(), servers.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = registry.Close() })
	source := repository(func(r *v1beta1.HelmRepository) {
		r.Spec.URL, r.Spec.Type = "oci://"+registry.Host()+"/charts", v1beta1.HelmRepositoryTypeOCI
		r.Spec.Insecure = true
	})
	p := listingPipeline("^web", "")
	p.Namespace, p.Spec.Subject.SourceRef.Name = source.Namespace, source.Name
	c := newCatalog(t, source, p)
	choice := ChoiceOfPipeline(p)
	c.Poll(t.Context(), source, []ChartRef{choice})
	if _, err := c.Names(t.Context(), choice); sources.Reason(err) != v1beta1.UnsupportedReason ||
		!strings.Contains(err.Error(), "spec.subject.charts.names") {
		t.Errorf("the answer is %v", err)
	}
	if !c.Answered(t.Context(), source, []ChartRef{choice}) {
		t.Error("the registry would be polled again and again")
	}
}
