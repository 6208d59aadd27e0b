package v1beta1

import (
	"slices"
	"testing"
)

func TestDependencyReferenceDefaults(t *testing.T) {
	tests := []struct {
		reference DependencyReference
		kind      string
		key       string
		own       bool
	}{
		{DependencyReference{Name: "db"}, "fairlead.dev/v1beta1, Kind=HelmRelease", "apps/db", true},
		{
			DependencyReference{Name: "db", Namespace: "infra", Kind: "HelmRelease"}, "fairlead.dev/v1beta1, Kind=HelmRelease",
			"infra/db", true,
		},
		{
			DependencyReference{Name: "db", APIVersion: "fairlead.dev/v1"}, "fairlead.dev/v1, Kind=HelmRelease", "apps/db", true,
		},
		{
			DependencyReference{Name: "db", Kind: "GitRepository"}, "fairlead.dev/v1beta1, Kind=GitRepository", "apps/db", false,
		},
		{DependencyReference{Name: "db", APIVersion: "v1", Kind: "Service"}, "/v1, Kind=Service", "apps/db", false},
		{
			DependencyReference{Name: "db", APIVersion: "helm.toolkit.fluxcd.io/v2"},
			"helm.toolkit.fluxcd.io/v2, Kind=HelmRelease", "apps/db", false,
		},
	}
	for _, tt := range tests {
		kind, err := tt.reference.GetGroupVersionKind(HelmReleaseKind)
		if err != nil || kind.String() != tt.kind || tt.reference.IsOwn(HelmReleaseKind) != tt.own ||
			tt.reference.GetKey("apps").String() != tt.key {
			t.Errorf("%+v: %s %s, own kind %v, %v", tt.reference, kind, tt.reference.GetKey("apps"),
				tt.reference.IsOwn(HelmReleaseKind), err)
		}
	}
	for _, malformed := range []string{"a/b/c", "apps/"} {
		reference := DependencyReference{APIVersion: malformed, Name: "db"}
		if kind, err := reference.GetGroupVersionKind(HelmReleaseKind); err == nil || reference.IsOwn(HelmReleaseKind) {
			t.Errorf("%q is taken for %s", malformed, kind)
		}
	}
}

func TestAccessDefaults(t *testing.T) {
	hr := &HelmRelease{}
	if got := hr.GetServiceAccountName(""); got != "" {
		t.Errorf("without anything the identity is %q", got)
	}
	if got := hr.GetServiceAccountName("default"); got != "default" {
		t.Errorf("the fallback does not count: %q", got)
	}
	hr.Spec.ServiceAccountName = "deployer"
	if got := hr.GetServiceAccountName("default"); got != "deployer" {
		t.Errorf("the field does not count: %q", got)
	}
	if got := (SecretKeyReference{}).GetKeys(); !slices.Equal(got, []string{"value", "value.yaml"}) {
		t.Errorf("default keys %v", got)
	}
	if got := (SecretKeyReference{Key: "config"}).GetKeys(); !slices.Equal(got, []string{"config"}) {
		t.Errorf("keys %v", got)
	}
}
