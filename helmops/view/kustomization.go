package view

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/engine"
	"fairlead.dev/fairlead/helmops/kube/diff"
	"fairlead.dev/fairlead/helmops/kube/redact"
	"fairlead.dev/fairlead/helmops/kustomize/apply"
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
	// SuspendReason is what was said when it was suspended.
	SuspendReason string `json:"suspendReason,omitempty"`
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
		Suspended: k.Spec.Suspend, SuspendReason: SuspendReason(k), Path: k.Spec.Path,
		Revision: k.Status.LastAppliedRevision, CreatedAt: k.CreationTimestamp,
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

// Kustomizations lists the Kustomizations of the namespace, of all namespaces when it is empty, sorted by namespace and
// name. The options choose among them, as a selector does.
func (r Reader) Kustomizations(
	ctx context.Context, namespace string, options ...client.ListOption,
) (List[KustomizationRow], error) {
	out := List[KustomizationRow]{Items: []KustomizationRow{}}
	var list v1beta1.KustomizationList
	if err := r.list(ctx, v1beta1.KustomizationKind, namespace, &list, options...); err != nil {
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

// Masked stands for what is secret.
const Masked = "***"

// Built lists objects as they would be applied. The values of Secrets are masked, and in others what mask hides.
func Built(objects []apply.Object, mask func(string) string) List[map[string]any] {
	out := List[map[string]any]{Items: []map[string]any{}}
	for _, o := range objects {
		out.Items = append(out.Items, shownObject(o.Object, mask))
	}
	return out
}

// Rendered lists the objects of a rendering, the hooks after the others. What Secrets among them hold is masked in
// all of them, and what mask hides.
func Rendered(content *engine.Content, mask redact.Mask) (List[map[string]any], error) {
	out := List[map[string]any]{Items: []map[string]any{}}
	texts := make([]string, 0, 1+len(content.Hooks))
	texts = append(texts, content.Manifest)
	for _, hook := range content.Hooks {
		texts = append(texts, hook.Manifest)
	}

	var objects []map[string]any
	var secret []any
	for _, text := range texts {
		found, err := diff.Objects(text)
		if err != nil {
			return out, fmt.Errorf("the manifest: %w", err)
		}

		objects = append(objects, found...)
	}

	for _, o := range objects {
		secret = append(secret, redact.SecretContent(o)...)
	}

	mask = mask.Join(redact.NewMask(secret...))
	for _, o := range objects {
		out.Items = append(out.Items, shownObject(o, mask.Apply))
	}

	return out, nil
}

// shownObject is an object as it may be shown.
func shownObject(object map[string]any, mask func(string) string) map[string]any {
	hide := mask
	version, _ := object["apiVersion"].(string)
	if object["kind"] == "Secret" && !strings.Contains(version, "/") {
		hide = func(string) string { return Masked }
	}

	shown := map[string]any{}
	for field, value := range object {
		switch field {
		case "apiVersion", "kind", "metadata", "type", "immutable":
			shown[field] = hidden(value, mask)
		default:
			shown[field] = hidden(value, hide)
		}
	}

	return shown
}

// hidden is a value with every text in it masked.
func hidden(value any, mask func(string) string) any {
	switch v := value.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for key, below := range v {
			out[key] = hidden(below, mask)
		}

		return out
	case []any:
		out := make([]any, 0, len(v))
		for _, below := range v {
			out = append(out, hidden(below, mask))
		}

		return out
	case string:
		return mask(v)
	default:
		return value
	}
}

// Disclosure is what of values may be shown beside the content of Secrets, which never is.
type Disclosure struct {
	// Mask hides secrets in values.
	Mask func(string) string
	// Former is set when the values that are in the cluster may be shown. They may not where they may come from a Secret,
	// because what it held formerly cannot be known.
	Former bool
}

// PreviewDifferences are the differences between the cluster and what a Kustomization would make of it.
func PreviewDifferences(previewed []apply.Previewed, show Disclosure) (Differences, error) {
	out := Differences{From: "the cluster", To: "the manifests", Objects: []ObjectDifference{}, Hooks: []HookDifference{}}
	mask := hidingLive(previewed, show.Mask)
	for _, p := range previewed {
		if p.Kept != "" || p.To != "" {
			out.Objects = append(out.Objects, stayingDifference(p))
			continue
		}

		before, err := documentOf(p.Live)
		if err != nil {
			return out, err
		}

		after, err := documentOf(p.Would)
		if err != nil {
			return out, err
		}

		changes, err := diff.Compare(before, after, "", mask)
		if err != nil {
			return out, err
		}

		out.Objects = append(out.Objects, inHands(p, differencesOf(changes))...)
	}

	for _, o := range out.Objects {
		for i := range o.Fields {
			if f := &o.Fields[i]; f.From != "" && !show.Former {
				f.From = Masked
			}
		}
	}

	return out, nil
}

// hidingLive returns a mask that hides the content of the Secrets in the cluster, besides what mask hides.
func hidingLive(previewed []apply.Previewed, mask func(string) string) func(string) string {
	var content []any
	for _, p := range previewed {
		if p.Live != nil {
			content = append(content, redact.SecretContent(p.Live.Object)...)
		}
	}

	live := redact.NewMask(content...)
	return func(text string) string {
		if mask != nil {
			text = mask(text)
		}
		return live.Apply(text)
	}
}

func documentOf(object *unstructured.Unstructured) (string, error) {
	if object == nil {
		return "", nil
	}
	text, err := yaml.Marshal(apply.Bare(object))
	return string(text), err
}
