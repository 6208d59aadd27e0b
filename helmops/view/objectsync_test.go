package view

import (
	"slices"
	"strings"
	"testing"

	"fairlead.dev/fairlead/api/v1beta1"
)

func TestSelectObjects(t *testing.T) {
	t.Parallel()
	hr := &v1beta1.HelmRelease{}
	hr.Status.Inventory = &v1beta1.ResourceInventory{Entries: []v1beta1.ResourceRef{
		{ID: "web_shop_apps_Deployment"}, {ID: "web_shop__ConfigMap"}, {ID: "db_shop__ConfigMap"}, {ID: "_shop__Namespace"},
	}}
	for name, want := range map[string]string{
		"Deployment/shop": "web_shop_apps_Deployment", "deployment.apps/web/shop": "web_shop_apps_Deployment",
		"ConfigMap/db/shop": "db_shop__ConfigMap", "Namespace/shop": "_shop__Namespace",
	} {
		if got, err := SelectObjects(hr, []string{name, name}); err != nil || !slices.Equal(got, []string{want}) {
			t.Errorf("%s: got %v, %v; want %s", name, got, err, want)
		}
	}
	for name, want := range map[string]string{
		"ConfigMap/shop": "has 2 objects ConfigMap/shop", "Secret/shop": "has no object Secret/shop", "": "has no object",
	} {
		if _, err := SelectObjects(hr, []string{name}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", name, err, want)
		}
	}
	if _, err := SelectObjects(&v1beta1.HelmRelease{}, []string{"ConfigMap/shop"}); err == nil {
		t.Error("a release without an inventory has an object")
	}
}
