package view

import (
	"slices"
	"testing"

	"fairlead.dev/fairlead/api/v1beta1"
)

// A release uses the sources that its values come from, in their own namespaces; its ConfigMaps are no sources.
func TestUsersOfValues(t *testing.T) {
	t.Parallel()
	hr := &v1beta1.HelmRelease{}
	hr.Namespace = "web"
	hr.Name = "shop"
	hr.Spec.ValuesFrom = []v1beta1.ValuesReference{
		{Kind: "ConfigMap", Name: "plain"},
		{Kind: v1beta1.GitRepositoryKind, Name: "config", Path: "a.yaml"},
		{Kind: v1beta1.BucketKind, Name: "shared", Namespace: "infra", Path: "b/*.yaml", Optional: true},
	}
	for of, want := range map[Reference]int{
		{Kind: v1beta1.GitRepositoryKind, Namespace: "web", Name: "config"}: 1,
		{Kind: v1beta1.BucketKind, Namespace: "infra", Name: "shared"}:      1,
		{Kind: v1beta1.BucketKind, Namespace: "web", Name: "shared"}:        0,
		{Kind: v1beta1.OCIRepositoryKind, Namespace: "web", Name: "config"}: 0,
		{Kind: "ConfigMap", Namespace: "web", Name: "plain"}:                0,
	} {
		users := UsersOf(of, []Object{hr})
		if len(users) != want || want == 1 && (users[0].By != UsesAsValues || users[0].Name != "shop") {
			t.Errorf("%v is used by %+v, want %d", of, users, want)
		}
	}

	hr.Spec.ChartRef = &v1beta1.ChartSourceReference{Kind: v1beta1.OCIRepositoryKind, Name: "shop"}
	needed := []Reference{
		{Kind: v1beta1.OCIRepositoryKind, Namespace: "web", Name: "shop"},
		{Kind: v1beta1.GitRepositoryKind, Namespace: "web", Name: "config"},
	}
	if got := SourcesOf(hr); !slices.Equal(got, needed) {
		t.Errorf("it needs %v, want %v", got, needed)
	}

	shown := NewReleaseStatus(hr, nil, nil).ValuesFrom
	want := []ValuesSource{
		{Kind: "ConfigMap", Name: "plain", Key: "values.yaml"},
		{Kind: v1beta1.GitRepositoryKind, Name: "config", Path: "a.yaml"},
		{Kind: v1beta1.BucketKind, Name: "shared", Namespace: "infra", Path: "b/*.yaml", Optional: true},
	}
	for i := range want {
		if shown[i] != want[i] {
			t.Errorf("the status shows %+v, want %+v", shown[i], want[i])
		}
	}
}
