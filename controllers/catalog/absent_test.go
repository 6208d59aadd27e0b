package catalog

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/sources"
	"fairlead.dev/fairlead/test/servers"
)

func TestAbsentChartsAreNamed(t *testing.T) {
	t.Parallel()
	asked := func(charts ...string) (choices []ChartRef) {
		for _, chart := range charts {
			choices = append(choices, ChartRef{Chart: chart, Version: "*"})
		}
		return choices
	}
	for _, tt := range []struct {
		name    string
		choices []ChartRef
		want    string
	}{
		{name: "nothing is asked for", want: ""},
		{name: "what is asked for is there", choices: asked("web"), want: ""},
		{name: "one is missing", choices: asked("web", "wbe"), want: "; it does not have wbe, which releases ask for"},
		{name: "one is named once", choices: asked("wbe", "wbe"),
			want: "; it does not have wbe, which releases ask for"},
		{name: "many are counted", choices: asked("e", "d", "c", "b", "a"),
			want: "; it does not have a, b, c and 2 more, which releases ask for"},
	} {
		if got := absent(tt.choices, []string{"web"}); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

// A repository whose index was fetched is Ready although it has none of the charts that are asked for; it names them,
// and the release that asks has the failure.
func TestAnIndexWithoutTheChart(t *testing.T) {
	t.Parallel()
	server, err := servers.ChartRepository(servers.ChartOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	source := &v1beta1.HelmRepository{ObjectMeta: metav1.ObjectMeta{Namespace: "apps", Name: "charts"}}
	source.Spec.URL = server.URL()
	objects := newClient(t, source)
	catalog := NewCatalog(objects, objects, newStore(t))
	wrong := ChartRef{Kind: v1beta1.HelmRepositoryKind, Namespace: "apps", Name: "charts", Chart: "wbe", Version: "*"}
	found := catalog.pollHelmRepository(t.Context(), source, []ChartRef{wrong})
	want := "index with 0 charts; it does not have wbe, which releases ask for"
	if found.Err != nil || found.Message != want {
		t.Errorf("error %v, message %q, want %q", found.Err, found.Message, want)
	}
	if _, err := catalog.Chart(t.Context(), wrong); sources.Reason(err) != v1beta1.NotFoundReason {
		t.Errorf("the release gets %v", err)
	}
}
