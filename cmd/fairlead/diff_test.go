package main

import (
	"errors"
	"testing"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/engine"
	"fairlead.dev/fairlead/helmops/kube/drift"
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

func TestDiff(t *testing.T) {
	t.Parallel()
	with := func(looks fakeInspector) world { return world{objects: everything(), looks: looks} }
	remote := shop()
	remote.Spec.KubeConfig = &v1beta1.KubeConfigReference{}
	badRule := shop()
	badRule.Spec.DriftDetection = &v1beta1.DriftDetection{Ignore: []v1beta1.DriftIgnoreRule{{Paths: []string{"no-pointer"}}}}
	coloured := with(fakeInspector{stored: contents()})
	coloured.colour = true
	refused := errors.New("Deployment web/shop: you may not patch deployments.apps")
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
		{"diff-revisions-malformed", with(fakeInspector{}), "diff release shop --revision 41-42"},
		{"diff-bad-rule", world{objects: []client.Object{badRule}}, "diff release shop"},
		{"diff-remote", world{objects: []client.Object{remote}}, "diff release shop"},
		{"diff-not-found", with(fakeInspector{}), "diff release shopp"},
	})
}
