package main

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	helmchart "helm.sh/helm/v3/pkg/chart"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/engine"
	"fairlead.dev/fairlead/helmops/preview"
	"fairlead.dev/fairlead/helmops/release"
	"fairlead.dev/fairlead/helmops/values"
	"fairlead.dev/fairlead/helmops/view"
)

// The layers of the release whose plan has causes.
var plannedLayers = []values.Layer{
	{
		Origin: "Secret web/shop-secrets, key values.yaml", Secret: true,
		Data: []byte("login: hunter2\nsuffix: hunter2\n"),
	},
	{
		Origin: "GitRepository web/config values/prod.yaml at main@sha1:ddaeec833238725f4a7c6c67e0f7cf00fe244c7c",
		Data:   []byte("memory: 1536Mi\n"),
	},
	{Origin: "spec.values", Data: []byte("region: south\n")},
}

func wantedOf(t *testing.T, hr *v1beta1.HelmRelease, in release.Inputs) *wantedRelease {
	t.Helper()
	merged, err := values.Merge(plannedLayers...)
	if err != nil {
		t.Fatal(err)
	}
	in.Values = merged
	return &wantedRelease{
		release: hr, in: in, layers: plannedLayers, takesSecrets: true,
		action: engine.Action{Chart: &helmchart.Chart{Metadata: &helmchart.Metadata{Name: "shop", Version: "1.9.2"}}},
	}
}

// retracedShop has the changes that nextOf makes. The chart changes the image, adds a role and drops a claim, and the
// values change what they are named after.
func retracedShop() *engine.Retracing {
	delta := func(path string, from, to any) values.Delta {
		return values.Delta{Path: []string{path}, From: from, HasFrom: from != nil, To: to, HasTo: true}
	}
	r := &engine.Retracing{
		ChartChanged: true, FormerChart: true, Former: map[string]any{"region": "north", "suffix": "s3cret"},
		Values: []values.Delta{
			delta("memory", "1Gi", "1536Mi"), delta("region", "north", "south"), delta("suffix", "s3cret", "hunter2"),
		},
	}
	r.TakeBack = func(chart bool, back []values.Delta) (preview.Rendering, error) {
		old := func(name string) bool {
			return slices.ContainsFunc(back, func(d values.Delta) bool { return d.Text() == name })
		}
		region, memory, image, more := "south", "1536Mi", "shop:1.9.2", plannedRole
		if old("region") {
			region = "north"
		}
		if !old("suffix") {
			region += " hunter2"
		}
		if old("memory") {
			memory = "1Gi"
		}
		if chart {
			image, more = "shop:1.9.1", plannedClaims
		}
		text := strings.NewReplacer("shop:1.9.1", image, "1Gi", memory, "north", region, "TOKEN", "other").
			Replace(plannedShop + more)
		return preview.Rendering{Manifest: text}, nil
	}
	return r
}

// The sample in docs/plans.md is what the command prints.
func TestCausesAreDocumented(t *testing.T) {
	t.Parallel()
	printed := plannedWith(t, nextShop(), nextOf(nextManifest), &output{}, retracedShop())
	isSample(t, "../../docs/plans.md", "fairlead plan release shop -n web --causes", printed)
}

// Causes have no secret in them, neither the present one nor the former one, and are the same each time.
func TestCausesForMachines(t *testing.T) {
	t.Parallel()
	out := &output{format: outputJSON}
	printed := plannedWith(t, nextShop(), nextOf(nextManifest), out, retracedShop())
	for _, secret := range []string{"hunter2", "s3cret"} {
		if strings.Contains(printed, secret) {
			t.Errorf("it shows %s:\n%s", secret, printed)
		}
	}

	var p view.Plan
	if err := json.Unmarshal([]byte(printed), &p); err != nil {
		t.Fatal(err)
	}

	causes := map[string][]string{}
	for _, o := range p.Objects {
		causes[o.Kind] = append(causes[o.Kind], causeLines("", o.Cause)...)
		for _, f := range o.Fields {
			causes[f.Path] = append(causes[f.Path], causeLines("", f.Cause)...)
		}
	}

	masked := "cause: value suffix: *** → *** (Secret web/shop-secrets, key values.yaml)"
	if got := causes[".data.region"]; len(got) != 2 || got[1] != masked {
		t.Errorf("the region is caused by %q", got)
	}
	if got := causes["Role"]; len(got) != 1 || got[0] != "cause: chart shop 1.9.1 → shop 1.9.2" {
		t.Errorf("the role is caused by %q", got)
	}
	if again := plannedWith(t, nextShop(), nextOf(nextManifest), out, retracedShop()); again != printed {
		t.Error("the causes are other ones the second time")
	}
}

func TestCauseLines(t *testing.T) {
	t.Parallel()
	chart := view.CauseChange{Kind: view.CauseChart, From: "shop 1", To: "shop 2"}
	value := view.CauseChange{Kind: view.CauseValue, Path: "a.b", From: "x\ny", Origin: "spec.values"}
	for want, cause := range map[string]*view.Cause{
		"":                             nil,
		"cause: chart shop 1 → shop 2": {Changes: []view.CauseChange{chart}},
		"cause: value a.b: \"x\\ny\" → - (spec.values)": {Changes: []view.CauseChange{value}},
		"cause: post renderers or common metadata": {
			Changes: []view.CauseChange{{Kind: view.CausePostRendering}},
		},
		"cause: chart shop 1 → shop 2|together with: value a.b: \"x\\ny\" → - (spec.values)": {
			Changes: []view.CauseChange{chart, value}, Together: true,
		},
		"possible cause: chart shop 1 → shop 2|and 3 more|cause not determined: no time": {
			Changes: []view.CauseChange{chart}, More: 3, Among: true, Unknown: "no time",
		},
	} {
		if got := strings.Join(causeLines("", cause), "|"); got != want {
			t.Errorf("it prints %q, want %q", got, want)
		}
	}
}
