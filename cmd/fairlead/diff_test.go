package main

import (
	"errors"
	"testing"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/engine"
	"fairlead.dev/fairlead/helmops/kube/drift"
	"fairlead.dev/fairlead/helmops/plan"
)

func driftOfShop() []drift.Object {
	return []drift.Object{
		{Kind: "Deployment", Group: "apps", Namespace: "web", Name: "shop", Fields: []drift.Field{
			{Path: ".spec.replicas", Change: v1beta1.DriftChanged, Manager: "kubectl-edit", Since: now.Add(-time.Hour), Was: "5", Wants: "3"},
			{Path: `.metadata.labels["tier"]`, Change: v1beta1.DriftRemoved, Wants: "front"},
		}},
		{Kind: "Secret", Namespace: "web", Name: "shop", Note: "left to another release", Fields: []drift.Field{
			{Path: ".data.password", Change: v1beta1.DriftChanged, Manager: "vault", Was: "***", Wants: "***"}}},
		{Kind: "ConfigMap", Namespace: "web", Name: "shop-a", Missing: true},
		{Kind: "Service", Namespace: "web", Name: "shop", Fields: []drift.Field{{Path: ".spec.x", Change: v1beta1.DriftAdded}}},
	}
}

func contents() map[int]*engine.Content {
	deployment := func(image string) string {
		return "---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {name: shop}\nspec: {template: {spec: {containers: [{name: web, image: \"" + image + "\"}]}}}\n"
	}
	secret := func(value string) string {
		return "---\napiVersion: v1\nkind: Secret\nmetadata: {name: shop}\nstringData: {password: " + value + "}\n"
	}
	hook := func(image string) []engine.ContentHook {
		return []engine.ContentHook{{Kind: "Job", Name: "migrate", Events: []string{"pre-upgrade"}, Manifest: image}}
	}
	config := "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: "
	return map[int]*engine.Content{
		41: {Revision: 41, ChartName: "shop", ChartVersion: "1.9.0", Manifest: deployment("shop:1.9.0") + secret("hunter2") + config + "old}\n", Hooks: hook("a")},
		42: {Revision: 42, ChartName: "shop", ChartVersion: "1.9.1", Manifest: deployment("shop:1.9.1") + secret("hunter3") + config + "new}\n", Hooks: hook("b")},
	}
}

// contentsWithValues are contents made of values, some of which came from a Secret in the release shop.
func contentsWithValues() map[int]*engine.Content {
	out := contents()
	out[41].Values = map[string]any{
		"replicas": float64(2), "image": map[string]any{"tag": "1.18.4"}, "db": map[string]any{"password": "hunter2"},
		"hosts": []any{"a.example.com"}, "motd": "one\ntwo",
	}
	out[42].Values = map[string]any{
		"replicas": float64(3), "image": map[string]any{"tag": "1.19.0"}, "db": map[string]any{"password": "hunter3"},
		"hosts": []any{"a.example.com", "b.example.com"},
	}
	config := "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\ndata: {url: \"https://"
	out[41].Manifest += config + "hunter2@host\"}\n"
	out[42].Manifest += config + "hunter3@host\"}\n"
	return out
}

// plainShop is the release shop without values from Secrets; its values are those of revision 42.
func plainShop() *v1beta1.HelmRelease {
	hr := shop()
	hr.Name = "plain"
	hr.Spec.ValuesFrom = nil
	hr.Spec.Values.Raw = []byte(`{"replicas":3,"image":{"tag":"1.19.0"},"db":{"password":"hunter3"},
		"hosts":["a.example.com","b.example.com"]}`)
	return hr
}

func recordsOfShop() []plan.Record {
	return []plan.Record{{Version: 42, Status: plan.StatusDeployed}, {Version: 41, Status: plan.StatusSuperseded}}
}

func sinceShop() *engine.RevisionDrift {
	added := drift.Object{Kind: "ConfigMap", Namespace: "web", Name: "new"}
	return &engine.RevisionDrift{Objects: driftOfShop(), Added: []drift.Object{added}}
}

func TestDiff(t *testing.T) {
	t.Parallel()
	with := func(looks fakeInspector) world {
		return world{objects: append(everything(), plainShop()), looks: looks}
	}
	remote := shop()
	remote.Spec.KubeConfig = &v1beta1.KubeConfigReference{}
	badRule := shop()
	badRule.Spec.DriftDetection = &v1beta1.DriftDetection{Ignore: []v1beta1.DriftIgnoreRule{{Paths: []string{"no-pointer"}}}}
	coloured := with(fakeInspector{stored: contents()})
	coloured.colour = true
	stored := with(fakeInspector{stored: contents(), records: recordsOfShop()})
	valued := with(fakeInspector{stored: contentsWithValues(), records: recordsOfShop(), since: sinceShop()})
	unchanged := with(fakeInspector{stored: contents(), records: recordsOfShop(), since: &engine.RevisionDrift{}})
	refused := errors.New("Deployment web/shop: you may not patch deployments.apps")
	partly := with(fakeInspector{stored: contents(), since: sinceShop(), driftErr: refused})
	unanswered := with(fakeInspector{stored: contents(), driftErr: refused})
	runGolden(t, []goldenCase{
		{"diff", with(fakeInspector{drifted: driftOfShop()}), "diff release shop"},
		{"diff-json", with(fakeInspector{drifted: driftOfShop()}), "diff hr shop -o json"},
		{"diff-none", with(fakeInspector{}), "diff release shop"},
		{"diff-none-json", with(fakeInspector{}), "diff release shop -o json"},
		{"diff-refused", with(fakeInspector{driftErr: refused}), "diff release shop"},
		{"diff-partly", with(fakeInspector{drifted: driftOfShop()[2:3], driftErr: refused}), "diff release shop"},
		{"diff-revisions", with(fakeInspector{stored: contents()}), "diff release shop --revision 41..42"},
		{"diff-revisions-colour", coloured, "diff release shop --revision 41..42"},
		{"diff-revisions-yaml", with(fakeInspector{stored: contents()}), "diff release shop --revision 41..42 -o yaml"},
		{"diff-revisions-same", with(fakeInspector{stored: contents()}), "diff release shop --revision 42..42"},
		{"diff-revisions-gone", with(fakeInspector{stored: contents()}), "diff release shop --revision 12..42"},
		{"diff-revisions-forbidden", with(fakeInspector{}), "diff release shop --revision 41..42"},
		{"diff-revisions-values", valued, "diff release plain --revision 41..42"},
		{"diff-revisions-values-json", valued, "diff release plain --revision 41..42 -o json"},
		{"diff-revisions-values-secret", valued, "diff release shop --revision 41..42"},
		{"diff-revisions-deployed", stored, "diff release shop --revision 41.."},
		{"diff-revisions-none-deployed", with(fakeInspector{stored: contents()}),
			"diff release shop --revision deployed..42"},
		{"diff-revisions-unknown-word", with(fakeInspector{}), "diff release shop --revision 41..life"},
		{"diff-revisions-from-live", with(fakeInspector{}), "diff release shop --revision live..41"},
		{"diff-live", valued, "diff release shop --revision 41..live"},
		{"diff-live-json", valued, "diff release plain --revision 41..live -o json"},
		{"diff-live-same", unchanged, "diff release shop --revision 42..live"},
		{"diff-live-partly", partly, "diff release shop --revision 41..live"},
		{"diff-live-refused", unanswered, "diff release shop --revision 41..live"},
		{"diff-exclusive", with(fakeInspector{}), "diff release shop --revision 41..42 --to-version 2.0.0"},
		{"diff-to-version-empty", with(fakeInspector{}), "diff release shop --to-version="},
		{"diff-to-version-git", with(fakeInspector{}), "diff release db -n infra --to-version 2.0.0"},
		{"diff-to-git-none", with(fakeInspector{}), "diff release shop --to-git dev"},
		{"diff-revisions-malformed", with(fakeInspector{}), "diff release shop --revision 41-42"},
		{"diff-bad-rule", world{objects: []client.Object{badRule}}, "diff release shop"},
		{"diff-remote", world{objects: []client.Object{remote}}, "diff release shop"},
		{"diff-not-found", with(fakeInspector{}), "diff release shopp"},
	})
}
