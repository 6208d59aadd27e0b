// Package crds brings the CustomResourceDefinitions in the crds/ directories of a chart into the cluster before the
// chart is rendered, so that templates and their mapping see the new kinds. It never deletes one.
//
//	parse ─► read live ─► decide for all ─► write ─► await Established ─► await discovery
//	                      (one refusal: nothing is written)
package crds

import (
	"context"
	"fmt"
	"slices"

	"helm.sh/helm/v3/pkg/chart"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"

	"fairlead.dev/fairlead/helmops/kube/cluster"
)

// FieldManager is the name under which definitions are written, the same as that of the releases' objects.
const FieldManager = "helm"

// attempts bounds how often one definition is tried while others change it at the same time.
const attempts = 5

var resource = schema.GroupVersionResource{Group: group, Version: "v1", Resource: "customresourcedefinitions"}

// Policy says what is done with the definitions of a chart. The empty policy is Create, for installs and upgrades
// alike.
type Policy string

// The policies, with the names of the API.
const (
	// Skip does nothing.
	Skip Policy = "Skip"
	// Create creates those that are missing and leaves the others as they are.
	Create Policy = "Create"
	// CreateReplace also replaces the spec of those that exist, unless stored objects would become unreadable.
	CreateReplace Policy = "CreateReplace"
)

// Result names the definitions by what was done with them, each list sorted.
type Result struct {
	Created, Replaced, Unchanged []string
}

// Apply brings the definitions of a chart into the cluster as the policy says and waits until the API server serves
// them. A refusal concerns all of them: then nothing was written. It is a *RefusalError, or an error that names the
// file, and trying again with the same chart does not help. Other errors are those of the API server; what was written
// before one stays, and a retry continues from there. The wait ends with ctx.
func Apply(ctx context.Context, as *cluster.Identity, files []chart.CRD, policy Policy) (Result, error) {
	switch policy {
	case Skip:
		return Result{}, nil
	case "", Create, CreateReplace:
	default:
		return Result{}, fmt.Errorf("policy %q for CustomResourceDefinitions: want %s, %s or %s", policy, Skip, Create,
			CreateReplace)
	}

	wanted, err := parse(files)
	if err != nil || len(wanted) == 0 {
		return Result{}, err
	}

	a := &applier{client: as.Dynamic().Resource(resource), replace: policy == CreateReplace}
	for _, definition := range wanted {
		if err := a.prepare(ctx, definition); err != nil {
			return Result{}, err
		}
	}

	for _, definition := range wanted {
		if err := a.write(ctx, definition); err != nil {
			return a.result.sorted(), err
		}
	}

	return a.result.sorted(), a.await(ctx, as.Cluster(), wanted)
}

func (r Result) sorted() Result {
	slices.Sort(r.Created)
	slices.Sort(r.Replaced)
	slices.Sort(r.Unchanged)
	return r
}

// applier writes the definitions of one chart.
type applier struct {
	client  dynamic.NamespaceableResourceInterface
	replace bool
	result  Result
}

// prepare reads what is there and refuses what must not be replaced.
func (a *applier) prepare(ctx context.Context, d *definition) error {
	live, err := a.client.Get(ctx, d.name(), metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		d.live = nil
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading CustomResourceDefinition %s: %w", d.name(), err)
	}

	d.live = live
	if !a.replace {
		return nil
	}

	return compatible(d)
}

// write creates or replaces one definition. Releases that bring the same one at the same time meet here: who comes
// second looks again.
func (a *applier) write(ctx context.Context, d *definition) error {
	var err error
	for range attempts {
		err = a.writeOnce(ctx, d)
		if !apierrors.IsAlreadyExists(err) && !apierrors.IsConflict(err) && !apierrors.IsNotFound(err) {
			return err
		}
		if err := a.prepare(ctx, d); err != nil {
			return err
		}
	}

	return fmt.Errorf("others keep changing CustomResourceDefinition %s: %w", d.name(), err)
}

func (a *applier) writeOnce(ctx context.Context, d *definition) error {
	if d.live == nil {
		made, err := a.client.Create(ctx, d.object, metav1.CreateOptions{FieldManager: FieldManager})
		if err != nil {
			return fmt.Errorf("creating CustomResourceDefinition %s of %s: %w", d.name(), d.file, err)
		}

		d.live = made
		a.result.Created = append(a.result.Created, d.name())
		return nil
	}

	if !a.replace {
		a.result.Unchanged = append(a.result.Unchanged, d.name())
		return nil
	}

	return a.replaceOnce(ctx, d)
}

// replaceOnce takes the spec over as a whole: what the chart does not list any more has to go, and nothing that is
// written by others, labels and annotations of theirs and the CA of the conversion webhook, does.
func (a *applier) replaceOnce(ctx context.Context, d *definition) error {
	next := replacement(d)
	replaced, err := a.client.Update(ctx, next, metav1.UpdateOptions{FieldManager: FieldManager})
	if err != nil {
		return fmt.Errorf("replacing CustomResourceDefinition %s with that of %s: %w", d.name(), d.file, err)
	}

	if replaced.GetResourceVersion() == d.live.GetResourceVersion() {
		a.result.Unchanged = append(a.result.Unchanged, d.name())
	} else {
		a.result.Replaced = append(a.result.Replaced, d.name())
	}

	d.live = replaced
	return nil
}

// replacement is the live object with the chart's spec, labels and annotations.
func replacement(d *definition) *unstructured.Unstructured {
	next := d.live.DeepCopy()
	next.Object["spec"] = keepCABundle(d.object, d.live)
	next.SetLabels(merged(next.GetLabels(), d.object.GetLabels()))
	next.SetAnnotations(merged(next.GetAnnotations(), d.object.GetAnnotations()))
	return next
}
