package crds

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"helm.sh/helm/v3/pkg/chart"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic/fake"
	clienttesting "k8s.io/client-go/testing"

	"fairlead.dev/fairlead/test/build"
)

const widgets = `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.example.dev}
spec:
  group: example.dev
  scope: Namespaced
  names: {kind: Widget, plural: widgets}
  versions:
  - {name: v1, served: true, storage: true}
`

func file(name, content string) chart.CRD {
	return chart.CRD{Name: name, Filename: "crds/" + name, File: &chart.File{Name: name, Data: []byte(content)}}
}

// live is the definition as an API server has it, established.
func live(t *testing.T, content string, stored ...any) *unstructured.Unstructured {
	t.Helper()
	o := build.Object(t, content)
	o.SetResourceVersion("1")
	o.Object["status"] = map[string]any{"storedVersions": stored, "conditions": []any{
		map[string]any{"type": "NamesAccepted", "status": "True"}, map[string]any{"type": "Established", "status": "True"},
	}}
	return o
}

func TestParse(t *testing.T) {
	t.Parallel()
	second := strings.ReplaceAll(widgets, "widgets", "gadgets")
	found, err := parse(
		[]chart.CRD{
			file("b.yaml", "# only a comment\n---\n"+widgets+"---\n"+second), file("empty.yaml", ""), {Filename: "none"},
		})
	if err != nil || len(found) != 2 || found[0].name() != "gadgets.example.dev" || found[1].file != "crds/b.yaml" {
		t.Errorf("parse gives %v, %v", found, err)
	}
	if found, err := parse([]chart.CRD{file("a.yaml", widgets+"status: {storedVersions: [v9]}\n")}); err != nil ||
		found[0].object.Object["status"] != nil {
		t.Errorf("the status of a chart is kept: %v", err)
	}
	for want, content := range map[string]string{
		`ConfigMap of "v1"`:          "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\n",
		"no longer knows":            strings.Replace(widgets, "k8s.io/v1", "k8s.io/v1beta1", 1),
		"has no metadata.name":       strings.Replace(widgets, "name: widgets.example.dev", "", 1),
		"has no spec.versions":       strings.Replace(widgets, "  versions:", "  other:", 1),
		"document 2 is not valid":    widgets + "---\n{{ .Values.x }}\n",
		"is also in crds/first.yaml": widgets,
		"more than 4194304":          strings.Repeat("#", maxBytes+1),
	} {
		_, err := parse([]chart.CRD{file("first.yaml", widgets), file("wrong.yaml", content)})
		if err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "crds/wrong.yaml") {
			t.Errorf("want an error of crds/wrong.yaml that says %q, got %v", want, err)
		}
	}
}

func TestCompatible(t *testing.T) {
	t.Parallel()
	newer := strings.Replace(widgets, "name: v1,", "name: v2,", 1)
	both := widgets + "  - {name: v2, served: true, storage: false}\n"
	for name, test := range map[string]struct {
		live, next string
		stored     []any
		want       []string
	}{
		"the same":                       {live: widgets, next: widgets, stored: []any{"v1"}},
		"a version more":                 {live: widgets, next: both, stored: []any{"v1"}},
		"a version less, nothing stored": {live: both, next: newer, stored: []any{"v2"}},
		"a stored version less": {
			live: both, next: newer, stored: []any{"v1", "v2"},
			want: []string{
				"widgets.example.dev", "drops version v1,", "status.storedVersions", "crds/a.yaml", "rewrite all of them",
			},
		},
		"another scope": {live: widgets, next: strings.Replace(widgets, "Namespaced", "Cluster", 1),
			want: []string{"spec.scope", "Namespaced", "Cluster"}},
		"another kind": {live: widgets, next: strings.Replace(widgets, "kind: Widget", "kind: Gizmo", 1),
			want: []string{"spec.names.kind", "Gizmo"}},
		"another group": {live: widgets, next: strings.Replace(widgets, "group: example", "group: other", 1),
			want: []string{"spec.group"}},
	} {
		err := compatible(
			&definition{file: "crds/a.yaml", object: build.Object(t, test.next), live: live(t, test.live, test.stored...)})
		var refusal *RefusalError
		if errors.As(err, &refusal) != (test.want != nil) {
			t.Errorf("%s: the error is %v", name, err)
		}
		for _, text := range test.want {
			if err == nil || !strings.Contains(err.Error(), text) {
				t.Errorf("%s: the error lacks %q: %v", name, text, err)
			}
		}
	}
}

func TestReplacementKeepsWhatOthersPutIn(t *testing.T) {
	t.Parallel()
	webhook := widgets +
		"  conversion: {strategy: Webhook, webhook: {clientConfig: {%s}, conversionReviewVersions: [v1]}}\n"
	with := func(config string) string { return strings.Replace(webhook, "%s", config, 1) }
	for name, test := range map[string]struct{ live, next, want string }{
		"left empty":       {with("caBundle: TElWRQ=="), with("url: https://new.example.dev"), "TElWRQ=="},
		"a placeholder":    {with("caBundle: TElWRQ=="), with("caBundle: Cg=="), "TElWRQ=="},
		"the chart's own":  {with("caBundle: TElWRQ=="), with("caBundle: TkVX"), "TkVX"},
		"no webhook":       {with("caBundle: TElWRQ=="), widgets, ""},
		"a webhook is new": {widgets, with("url: https://new.example.dev"), ""},
	} {
		was := live(t, test.live, "v1")
		was.SetLabels(map[string]string{"theirs": "kept", "ours": "old"})
		next := build.Object(t, test.next)
		next.SetLabels(map[string]string{"ours": "new"})
		got := replacement(&definition{object: next, live: was})
		bundle, _, _ := unstructured.NestedString(got.Object, "spec", "conversion", "webhook", "clientConfig", "caBundle")
		if bundle != test.want {
			t.Errorf("%s: caBundle is %q, want %q", name, bundle, test.want)
		}
		if labels := got.GetLabels(); labels["theirs"] != "kept" || labels["ours"] != "new" ||
			got.GetResourceVersion() != "1" {
			t.Errorf("%s: labels are %v, resourceVersion %q", name, labels, got.GetResourceVersion())
		}
	}
}

func TestJudge(t *testing.T) {
	t.Parallel()
	if ok, err := established(live(t, widgets)); !ok || err != nil {
		t.Errorf("an established one gives %v, %v", ok, err)
	}
	if ok, err := established(build.Object(t, widgets)); ok || err != nil {
		t.Errorf("a new one gives %v, %v", ok, err)
	}
	rejected := build.Object(t,
		widgets+"status: {conditions: [{type: NamesAccepted, status: \"False\", message: widgets is taken}]}\n")
	if _, err := established(rejected); err == nil || !strings.Contains(err.Error(), "widgets is taken") {
		t.Errorf("names that are taken give %v", err)
	}
	going := live(t, widgets)
	going.SetDeletionTimestamp(&metav1.Time{Time: metav1.Now().Time})
	if _, err := established(going); err == nil || !strings.Contains(err.Error(), "being deleted") {
		t.Errorf("one that is being deleted gives %v", err)
	}
}

func newFake(objects ...runtime.Object) *fake.FakeDynamicClient {
	return fake.NewSimpleDynamicClientWithCustomListKinds(runtime.NewScheme(),
		map[schema.GroupVersionResource]string{resource: "CustomResourceDefinitionList"}, objects...)
}

func TestWrite(t *testing.T) {
	t.Parallel()
	conflict := apierrors.NewConflict(resource.GroupResource(), "widgets.example.dev", errors.New("changed"))
	exists := apierrors.NewAlreadyExists(resource.GroupResource(), "widgets.example.dev")
	both := widgets + "  - {name: v2, served: true, storage: false}\n"
	for name, test := range map[string]struct {
		live    string
		replace bool
		fails   map[string][]error // the first requests of a verb
		want    string
		verbs   []string
	}{
		"missing":           {want: "created", verbs: []string{"get", "create"}},
		"there, left alone": {live: widgets, want: "unchanged", verbs: []string{"get"}},
		"there, replaced":   {live: widgets, replace: true, want: "replaced", verbs: []string{"get", "update"}},
		"somebody changed it": {live: widgets, replace: true, fails: map[string][]error{"update": {conflict}},
			want: "replaced", verbs: []string{"get", "update", "get", "update"}},
		"somebody was first": {live: widgets,
			fails: map[string][]error{"get": {apierrors.NewNotFound(resource.GroupResource(), "x")}, "create": {exists}},
			want:  "unchanged", verbs: []string{"get", "create", "get"}},
		"somebody changes often": {live: widgets, replace: true,
			fails: map[string][]error{"update": slices.Repeat([]error{conflict}, attempts)}, want: "others keep changing"},
		"forbidden": {
			fails: map[string][]error{"create": {apierrors.NewForbidden(resource.GroupResource(), "x", errors.New("no"))}},
			want:  "forbidden", verbs: []string{"get", "create"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client := newFake()
			if test.live != "" {
				client = newFake(live(t, test.live, "v1"))
			}
			var verbs []string
			client.PrependReactor("*", "*", func(action clienttesting.Action) (bool, runtime.Object, error) {
				verbs = append(verbs, action.GetVerb())
				if left := test.fails[action.GetVerb()]; len(left) > 0 {
					test.fails[action.GetVerb()] = left[1:]
					return true, nil, left[0]
				}
				if update, ok := action.(clienttesting.UpdateAction); ok && action.GetVerb() == "update" {
					update.GetObject().(*unstructured.Unstructured).SetResourceVersion("2")
				}
				return false, nil, nil
			})
			a := &applier{client: client.Resource(resource), replace: test.replace}
			d := &definition{file: "crds/a.yaml", object: build.Object(t, both)}
			err := a.prepare(t.Context(), d)
			if err == nil {
				err = a.write(t.Context(), d)
			}
			name := []string{"widgets.example.dev"}
			want := map[string]Result{
				"created": {Created: name}, "replaced": {Replaced: name}, "unchanged": {Unchanged: name},
			}[test.want]
			if !equality.Semantic.DeepEqual(a.result, want) {
				t.Errorf("the result is %+v, want %+v; %v", a.result, want, err)
			}
			if len(want.Created)+len(want.Replaced)+len(want.Unchanged) == 0 &&
				(err == nil || !strings.Contains(err.Error(), test.want)) {
				t.Errorf("the error is %v, want %q", err, test.want)
			}
			if test.verbs != nil && !slices.Equal(verbs, test.verbs) {
				t.Errorf("the requests are %v, want %v", verbs, test.verbs)
			}
		})
	}
}

func TestPolicies(t *testing.T) {
	t.Parallel()
	bad := []chart.CRD{file("a.yaml", "kind: Pod\napiVersion: v1\n")}
	if result, err := Apply(t.Context(), nil, bad, Skip); err != nil || result.Created != nil {
		t.Errorf("Skip gives %v, %v", result, err)
	}
	if _, err := Apply(t.Context(), nil, nil, "Recreate"); err == nil || !strings.Contains(err.Error(), "Recreate") {
		t.Errorf("an unknown policy gives %v", err)
	}
	if _, err := Apply(t.Context(), nil, nil, CreateReplace); err != nil {
		t.Errorf("a chart without definitions gives %v", err)
	}
}
