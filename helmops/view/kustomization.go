package view

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/manifest"
	"fairlead.dev/fairlead/helmops/rollout"
)

// KustomizationRow is one Kustomization in a list.
type KustomizationRow struct {
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	Phase     Phase  `json:"phase"`
	// Ready is true exactly when Phase is Ready.
	Ready   bool   `json:"ready"`
	Reason  string `json:"reason,omitempty"`
	Message string `json:"message,omitempty"`
	// Suspended repeats spec.suspend.
	Suspended bool `json:"suspended"`
	// Source of the manifests, and Path in it.
	Source *Reference `json:"source,omitempty"`
	Path   string     `json:"path,omitempty"`
	// Revision that was applied last, and how many objects that are.
	Revision string `json:"revision,omitempty"`
	Objects  int    `json:"objects"`
	// Healthy and Drifted are the status of the conditions, empty when there is none.
	Healthy   string      `json:"healthy,omitempty"`
	Drifted   string      `json:"drifted,omitempty"`
	CreatedAt metav1.Time `json:"createdAt"`
}

// NewKustomizationRow projects a Kustomization.
func NewKustomizationRow(k *v1beta1.Kustomization) KustomizationRow {
	phase := PhaseOf(k)
	row := KustomizationRow{
		Namespace: k.Namespace, Name: k.Name, Phase: phase, Ready: phase == Ready, Reason: reasonOf(k), Message: messageOf(k),
		Suspended: k.Spec.Suspend, Path: k.Spec.Path, Revision: k.Status.LastAppliedRevision, CreatedAt: k.CreationTimestamp,
	}
	if source, ok := SourceOf(k); ok {
		row.Source = &source
	}
	if k.Status.Inventory != nil {
		row.Objects = len(k.Status.Inventory.Entries)
	}
	if c := meta.FindStatusCondition(k.Status.Conditions, v1beta1.HealthyCondition); c != nil {
		row.Healthy = string(c.Status)
	}
	if c := meta.FindStatusCondition(k.Status.Conditions, v1beta1.DriftedCondition); c != nil {
		row.Drifted = string(c.Status)
	}
	return row
}

// Kustomizations lists the Kustomizations of the namespace, of all namespaces when it is empty, sorted by namespace and name.
func (r Reader) Kustomizations(ctx context.Context, namespace string) (List[KustomizationRow], error) {
	out := List[KustomizationRow]{Items: []KustomizationRow{}}
	var list v1beta1.KustomizationList
	if err := r.list(ctx, v1beta1.KustomizationKind, namespace, &list); err != nil {
		return out, err
	}
	for i := range list.Items {
		out.Items = append(out.Items, NewKustomizationRow(&list.Items[i]))
	}
	slices.SortFunc(out.Items, func(a, b KustomizationRow) int {
		return cmp.Or(strings.Compare(a.Namespace, b.Namespace), strings.Compare(a.Name, b.Name))
	})
	return out, nil
}

// PreviewDifferences are the differences between the cluster and what a Kustomization would make of it. mask hides secrets beside the
// content of Secrets.
func PreviewDifferences(previewed []rollout.Previewed, mask func(string) string) (Differences, error) {
	out := Differences{From: "the cluster", To: "the manifests", Hooks: []HookDifference{}}
	var before, after strings.Builder
	for _, p := range previewed {
		for to, object := range map[*strings.Builder]*unstructured.Unstructured{&before: p.Live, &after: p.Would} {
			if object == nil {
				continue
			}
			text, err := yaml.Marshal(bare(object))
			if err != nil {
				return out, err
			}
			to.WriteString("---\n" + string(text))
		}
	}
	changes, err := manifest.Compare(before.String(), after.String(), "", mask)
	out.Objects = differencesOf(changes)
	return out, err
}

// bare is an object without what the API server keeps of it.
func bare(object *unstructured.Unstructured) map[string]any {
	own := object.DeepCopy()
	for _, field := range []string{"managedFields", "resourceVersion", "generation", "uid", "creationTimestamp", "selfLink"} {
		unstructured.RemoveNestedField(own.Object, "metadata", field)
	}
	delete(own.Object, "status")
	return own.Object
}
