package receiver

import (
	"context"
	"encoding/json"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/kube/cel"
	"fairlead.dev/fairlead/helmops/view"
)

// maxFilters is how many compiled filters are kept.
const maxFilters = 256

// filterError is why the filters of a receiver have no answer for a call. It quotes nothing of the call.
type filterError string

// Error implements error.
func (e filterError) Error() string { return string(e) }

// filters compiles the CEL expressions of receivers, each once. They know res, the metadata of an object, req, the
// body of the call, and claims, those of the token of a call.
type filters struct{ programs *cel.Programs }

func newFilters() (*filters, error) {
	programs, err := cel.NewPrograms(maxFilters, "res", "req", "claims")
	if err != nil {
		return nil, err
	}
	return &filters{programs: programs}, nil
}

// check compiles all filters of a receiver.
func (f *filters) check(r *v1beta1.Receiver) error {
	if text := r.Spec.ResourceFilter; text != "" {
		if _, err := f.programs.Compile(text); err != nil {
			return fmt.Errorf("spec.resourceFilter: %w", err)
		}
	}

	for i, resource := range r.Spec.Resources {
		if resource.Filter == "" {
			continue
		}
		if _, err := f.programs.Compile(resource.Filter); err != nil {
			return fmt.Errorf("spec.resources[%d].filter: %w", i, err)
		}
	}

	return nil
}

// selection is what the filters of a receiver select for one call.
type selection struct {
	*filters
	receiver *v1beta1.Receiver
	request  any
	claims   map[string]any
}

// forCall prepares the filters of a receiver for a call, whose body has to be JSON when there is a filter.
func (f *filters) forCall(r *v1beta1.Receiver, n news) (selection, error) {
	s := selection{filters: f, receiver: r, claims: n.claims}
	filtered := r.Spec.ResourceFilter != ""
	for _, resource := range r.Spec.Resources {
		filtered = filtered || resource.Filter != ""
	}
	if !filtered {
		return s, nil
	}
	if err := json.Unmarshal(n.body, &s.request); err != nil {
		return s, filterError("the body is not JSON, which the filters of the receiver need")
	}

	return s, nil
}

// has reports whether an object that a resource names is selected: by the filter of the receiver and by that of the
// resource. It fails when ctx has ended.
func (s selection) has(ctx context.Context, resource v1beta1.ReceiverResource, object client.Object) (bool, error) {
	for _, text := range []string{s.receiver.Spec.ResourceFilter, resource.Filter} {
		if text == "" {
			continue
		}
		if ctx.Err() != nil {
			return false, filterError("the filters of the receiver take too long")
		}

		program, err := s.programs.Compile(text)
		if err != nil {
			return false, filterError("a filter of the receiver cannot be compiled: " + err.Error())
		}

		metadata, err := metadataOf(object)
		if err != nil {
			return false, err
		}

		holds, err := program.Holds(ctx, map[string]any{"res": metadata, "req": s.request, "claims": s.claims})
		if err != nil {
			return false, filterError("a filter of the receiver has no answer: " + err.Error())
		}
		if !holds {
			return false, nil
		}
	}
	return true, nil
}

// metadataOf is an object as filters see it: apiVersion, kind and metadata.
func metadataOf(object client.Object) (map[string]any, error) {
	partial := &metav1.PartialObjectMetadata{
		TypeMeta: metav1.TypeMeta{APIVersion: v1beta1.GroupVersion.String(), Kind: view.KindOf(object.(v1beta1.Conditioned))},
		ObjectMeta: metav1.ObjectMeta{
			Name: object.GetName(), Namespace: object.GetNamespace(), UID: object.GetUID(), Generation: object.GetGeneration(),
			Labels: object.GetLabels(), Annotations: object.GetAnnotations(), CreationTimestamp: object.GetCreationTimestamp(),
		},
	}
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(partial)
	if err != nil {
		return nil, fmt.Errorf("reading the metadata of %s/%s: %w", object.GetNamespace(), object.GetName(), err)
	}

	return content, nil
}
