package view

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/engine"
	"fairlead.dev/fairlead/helmops/kube/diff"
	"fairlead.dev/fairlead/helmops/kube/drift"
)

// The way from a revision to the cluster is the opposite of that from the cluster to a manifest.
func TestLiveDifferences(t *testing.T) {
	t.Parallel()
	edited := metav1.NewTime(time.Date(2026, 5, 4, 2, 0, 0, 0, time.UTC))
	found := &engine.RevisionDrift{
		Objects: []drift.Object{
			{Kind: "Deployment", Group: "apps", Namespace: "web", Name: "shop", Fields: []drift.Field{
				{
					Path: ".spec.replicas", Change: v1beta1.DriftChanged, Was: "5", Wants: "3",
					Manager: "kubectl-edit", Since: edited.Time,
				},
			}},
			{Kind: "ConfigMap", Namespace: "web", Name: "gone", Missing: true},
			{Kind: "Service", Namespace: "web", Name: "shop", Fields: []drift.Field{
				{Path: ".spec.x", Change: v1beta1.DriftAdded},
			}},
		},
		Added: []drift.Object{{Kind: "ConfigMap", Namespace: "data", Name: "new", Note: "it is being deleted"}},
	}
	want := Differences{
		To: "the cluster", Hooks: []HookDifference{},
		Objects: []ObjectDifference{
			{Kind: "Deployment", Group: "apps", Name: "shop", Change: diff.Changed, Fields: []FieldDifference{
				{
					Path: ".spec.replicas", Change: diff.Changed, From: "3", To: "5",
					Manager: "kubectl-edit", Since: &edited,
				},
			}},
			{Kind: "ConfigMap", Name: "gone", Change: v1beta1.DriftMissing},
			{Kind: "ConfigMap", Namespace: "data", Name: "new", Change: diff.Created, Note: "it is being deleted"},
		},
	}
	if diff := cmp.Diff(want, LiveDifferences(found, "web")); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestDiffer(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		d    Differences
		want bool
	}{
		{"nothing", Differences{Values: []ValueDifference{}}, false},
		{"a value that no template uses", Differences{Values: []ValueDifference{{Path: "a"}}}, true},
		{"an object", Differences{Objects: []ObjectDifference{{Name: "a"}}}, true},
		{"a hook that is the same", Differences{Hooks: []HookDifference{{Change: SameHook}}}, false},
		{"a hook that changes", Differences{Hooks: []HookDifference{{Change: diff.Changed}}}, true},
		{"a new revision of the same objects", Differences{Pending: &PendingChange{Change: "values"}}, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := tt.d.Differ(); got != tt.want {
				t.Errorf("Differ() = %v, want %v", got, tt.want)
			}
		})
	}
}
