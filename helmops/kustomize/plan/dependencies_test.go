package plan

import (
	"testing"

	"fairlead.dev/fairlead/api/v1beta1"
)

func TestListedIsBounded(t *testing.T) {
	t.Parallel()
	if got := listed([]string{"a", "b", "c", "d", "e", "f", "g"}); got != "a, b, c, d, e and 2 more" {
		t.Error(got)
	}
}

// Only dependencies that follow the same source and have another revision are behind.
func TestBehindNamesDependenciesWithAnotherRevision(t *testing.T) {
	t.Parallel()
	k := following("apps", "web", oldRevision)
	k.Spec.DependsOn = make([]v1beta1.DependencyReference, 3)
	asleep := following("apps", "asleep", oldRevision, func(o *v1beta1.Kustomization) { o.Spec.Suspend = true })
	for _, tt := range []struct {
		name string
		of   []v1beta1.Kustomization
		want string
	}{
		{name: "none is looked at"},
		{name: "all have it", of: []v1beta1.Kustomization{*following("apps", "infra", newRevision)}},
		{name: "another source", of: []v1beta1.Kustomization{*following("apps", "infra", oldRevision, otherSource)}},
		{
			name: "some are behind",
			of: []v1beta1.Kustomization{
				*following("apps", "infra", newRevision), *following("crds", "crds", oldRevision), *asleep,
			},
			want: "2 of 3 dependencies have not applied main@sha1:2 of the same source yet: crds/crds, asleep (suspended)",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := Behind(k, newRevision, tt.of); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}
