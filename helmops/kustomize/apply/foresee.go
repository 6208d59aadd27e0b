package apply

import (
	"context"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/yaml"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/kube/cluster"
	"fairlead.dev/fairlead/helmops/kube/ssa"
	"fairlead.dev/fairlead/helmops/preview"
)

// Foresight is what applying a set would do. It is safe to show.
type Foresight struct {
	preview.Preview
	// Digest identifies the plan, Inputs are what it was made of.
	Digest string
	Inputs PlanInputs
	// Unchanged is set when every manifest is the one that was applied, and none is gone.
	Unchanged bool
}

// Foresee finds out what applying a set would do. It only reads and tries, with a get and a dry run for each object,
// and takes a share of the processor as Apply does. mask hides secrets in values; nil hides none beside the content of
// Secrets. An error says why the set could not be applied at all.
func (e *Engine) Foresee(
	ctx context.Context, access cluster.Access, set Set, mask func(string) string,
) (*Foresight, error) {
	_, as, err := e.sites.Get(access) //nolint:contextcheck // a site outlives who asks for it first
	if err != nil {
		return nil, err
	}

	share, err := e.take(ctx, access, set.Kind)
	if set.Begun != nil {
		set.Begun()
	}
	if err != nil {
		return nil, err
	}

	defer share.Close()
	return Foresee(ctx, as, set, e.config.Exists, mask)
}

// Foresee finds out what applying a set would do, with the rights of as. It is Engine.Foresee without a share.
func Foresee(
	ctx context.Context, as *cluster.Identity, set Set, exists func(context.Context, types.NamespacedName) bool,
	mask func(string) string,
) (*Foresight, error) {
	r := newPreview(as, set, exists)
	r.tolerant = true
	previewed, err := r.previewAll(ctx)
	if err != nil {
		return nil, err
	}

	inputs, err := r.planInputs(ctx)
	if err != nil {
		return nil, err
	}

	out := &Foresight{
		Digest: inputs.digest(), Inputs: inputs, Unchanged: r.isUnchanged(),
	}
	in, err := comparisonOf(previewed, set.Owner.Namespace)
	if err != nil {
		return nil, err
	}

	in.Mask = mask
	if out.Preview, err = preview.Of(in); err != nil {
		return nil, fmt.Errorf("comparing what is applied with what would be: %w", err)
	}

	return out, nil
}

// comparisonOf compares live objects with what they would be, without what the API server keeps of them.
func comparisonOf(previewed []Previewed, namespace string) (preview.Input, error) {
	var from, to strings.Builder
	in := preview.Input{Namespace: namespace}
	for _, p := range previewed {
		if err := writeDocument(&from, p.Live); err != nil {
			return in, err
		}
		if p.Kept != "" {
			in.Kept = append(in.Kept, keptOf(p))
			continue
		}
		if err := writeDocument(&to, p.Would); err != nil {
			return in, err
		}
		if p.Refused != "" {
			in.Untried = append(in.Untried, untriedOf(p))
		}
	}

	in.From.Manifest = from.String()
	in.To.Manifest = to.String()
	in.Again = in.To
	return in, nil
}

func keptOf(p Previewed) v1beta1.KeptObject {
	return v1beta1.KeptObject{
		Group: p.Live.GroupVersionKind().Group, Kind: p.Live.GetKind(), Namespace: p.Live.GetNamespace(),
		Name: p.Live.GetName(), Reason: p.Kept,
	}
}

func untriedOf(p Previewed) preview.Untried {
	return preview.Untried{
		Group: p.Would.GroupVersionKind().Group, Kind: p.Would.GetKind(), Namespace: p.Would.GetNamespace(),
		Name: p.Would.GetName(), Refused: true, Why: "the API server refuses the dry run: " + ssa.Scrub(p.Refused),
	}
}

// writeDocument appends an object as a YAML document; nil is none.
func writeDocument(to *strings.Builder, object *unstructured.Unstructured) error {
	if object == nil {
		return nil
	}

	text, err := yaml.Marshal(Bare(object))
	if err != nil {
		return fmt.Errorf("encoding %s: %w", named(object.GetKind(), object.GetNamespace(), object.GetName()), err)
	}

	to.WriteString("---\n")
	to.Write(text)
	return nil
}

// Bare is the content of an object without its status and without what the API server keeps in its metadata. It is a
// copy.
func Bare(object *unstructured.Unstructured) map[string]any {
	own := object.DeepCopy()
	for _, field := range []string{
		"managedFields", "resourceVersion", "generation", "uid", "creationTimestamp", "selfLink",
	} {
		unstructured.RemoveNestedField(own.Object, "metadata", field)
	}

	delete(own.Object, "status")
	return own.Object
}
