package kustomization

import (
	"testing"

	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/controllers/refs"
)

// A dependency that is Ready with the former revision of the same source is waited for, and named.
func TestAbreast(t *testing.T) {
	t.Parallel()
	asleep := func(k *v1beta1.Kustomization) { k.Spec.Suspend = true }
	tests := []struct {
		name   string
		others []client.Object
		want   string // empty when nothing is waited for
	}{
		{
			"all have the revision",
			[]client.Object{following("apps", "infra", newRevision), following("crds", "crds", newRevision)}, "",
		},
		{"another source does not count", []client.Object{following("apps", "infra", oldRevision, otherSource),
			following("crds", "crds", newRevision)}, ""},
		{"none has it", []client.Object{following("apps", "infra", oldRevision), following("crds", "crds", oldRevision)},
			"2 of 2 dependencies have not applied main@sha1:2 of the same source yet: infra, crds/crds"},
		{"one is suspended",
			[]client.Object{following("apps", "infra", oldRevision, asleep), following("crds", "crds", newRevision)},
			"1 of 2 dependencies have not applied main@sha1:2 of the same source yet: infra (suspended)"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			scheme := runtime.NewScheme()
			if err := v1beta1.AddToScheme(scheme); err != nil {
				t.Fatal(err)
			}
			objects := fake.NewClientBuilder().WithScheme(scheme).WithObjects(tt.others...).Build()
			g := &gatherer{dependencies: &refs.Dependencies{Objects: objects}}
			k := following("apps", "web", oldRevision)
			k.Spec.DependsOn = []v1beta1.DependencyReference{{Name: "infra"}, {Name: "crds", Namespace: "crds"}}
			err := g.dependenciesAtRevision(t.Context(), k,
				inputs{choice: choiceOf(k), artifact: v1beta1.Artifact{Revision: newRevision}})
			if tt.want == "" && err == nil {
				return
			}
			if refs.ReasonOf(err) != v1beta1.DependencyNotReadyReason || err.Error() != tt.want {
				t.Errorf("error = %v, want %q", err, tt.want)
			}
		})
	}
}
