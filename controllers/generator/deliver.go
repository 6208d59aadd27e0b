package generator

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/controllers/catalog"
	"fairlead.dev/fairlead/helmops/status"
)

// rejectedError is why an ExternalArtifact is not written, in the words of a condition.
type rejectedError struct{ failure status.Failure }

// Error implements error.
func (e *rejectedError) Error() string { return e.failure.Message }

func rejected(reason, format string, args ...any) error {
	return &rejectedError{status.Failure{Reason: reason, Message: fmt.Sprintf(format, args...)}}
}

// deliver keeps an ExternalArtifact for each artifact that is declared, and returns them in the same order; nil for one
// that was created now.
func (h *handler) deliver(
	ctx context.Context, g *v1beta1.ArtifactGenerator, outputs []catalog.Output,
) ([]*v1beta1.ExternalArtifact, error) {
	own := make([]*v1beta1.ExternalArtifact, len(outputs))
	for i, output := range outputs {
		key := types.NamespacedName{Namespace: g.Namespace, Name: output.Name}
		live := &v1beta1.ExternalArtifact{}
		err := h.cached.Get(ctx, key, live, client.UnsafeDisableDeepCopy)
		switch {
		case apierrors.IsNotFound(err):
			live = nil
		case err != nil:
			return nil, fmt.Errorf("reading ExternalArtifact %s: %w", key, err)
		case !metav1.IsControlledBy(live, g):
			return nil, rejected(v1beta1.InvalidReferenceReason,
				"ExternalArtifact %s exists and is not of this ArtifactGenerator; rename it or the artifact", output.Name)
		}

		if err := h.apply(ctx, g, output, live); err != nil {
			return nil, err
		}

		own[i] = live
	}
	return own, nil
}

// apply writes an ExternalArtifact that is not as it has to be.
func (h *handler) apply(
	ctx context.Context, g *v1beta1.ArtifactGenerator, output catalog.Output, live *v1beta1.ExternalArtifact,
) error {
	want := wanted(g, output)
	if live != nil && isAsWanted(live, want) {
		return nil
	}

	err := h.writer.Apply(ctx, client.ApplyConfigurationFromUnstructured(want), client.ForceOwnership)
	switch {
	case err == nil:
		return nil
	case apierrors.IsInvalid(err), apierrors.IsForbidden(err):
		reason := v1beta1.InvalidReferenceReason
		if apierrors.IsForbidden(err) {
			reason = v1beta1.AccessDeniedReason
		}
		return rejected(reason, "applying ExternalArtifact %s/%s: %s; the controller retries in %s", g.Namespace, output.Name,
			err, rejectedRetry)
	}

	return fmt.Errorf("applying ExternalArtifact %s/%s: %w", g.Namespace, output.Name, err)
}

// wanted is the ExternalArtifact of an artifact. Labels that the generator names count more than those of a directory.
func wanted(g *v1beta1.ArtifactGenerator, output catalog.Output) *unstructured.Unstructured {
	want := &unstructured.Unstructured{Object: map[string]any{
		"spec": map[string]any{"sourceRef": map[string]any{
			"apiVersion": v1beta1.GroupVersion.String(), "kind": v1beta1.ArtifactGeneratorKind, "name": g.Name,
		}},
	}}
	want.SetGroupVersionKind(v1beta1.GroupVersion.WithKind(v1beta1.ExternalArtifactKind))
	want.SetNamespace(g.Namespace)
	want.SetName(output.Name)
	want.SetOwnerReferences([]metav1.OwnerReference{{
		APIVersion: v1beta1.GroupVersion.String(), Kind: v1beta1.ArtifactGeneratorKind, Name: g.Name, UID: g.UID,
		Controller: ptr.To(true),
	}})
	labels := maps.Clone(output.Labels)
	annotations := map[string]string{}
	if common := g.Spec.CommonMetadata; common != nil {
		if labels == nil {
			labels = map[string]string{}
		}
		maps.Copy(labels, common.Labels)
		maps.Copy(annotations, common.Annotations)
	}
	if len(labels) > 0 {
		want.SetLabels(labels)
	}

	annotations[v1beta1.AppliedAnnotation] = digestOf(want, annotations)
	want.SetAnnotations(annotations)
	return want
}

// digestOf tells what was applied last from what is wanted now: labels that are no longer wanted are not to be seen
// otherwise.
func digestOf(want *unstructured.Unstructured, annotations map[string]string) string {
	text, err := json.Marshal([]any{want.GetLabels(), annotations, want.Object["spec"]})
	if err != nil {
		panic(err) // texts can be written
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])[:16]
}

// isAsWanted reports whether an ExternalArtifact has what is wanted. What others have added does not count.
func isAsWanted(live *v1beta1.ExternalArtifact, want *unstructured.Unstructured) bool {
	ref := live.Spec.SourceRef
	if ref == nil || ref.Namespace != "" {
		return false
	}
	has := map[string]any{"apiVersion": ref.APIVersion, "kind": ref.Kind, "name": ref.Name}
	declared, _, _ := unstructured.NestedMap(want.Object, "spec", "sourceRef")
	return maps.Equal(has, declared) && includes(live.Labels, want.GetLabels()) &&
		includes(live.Annotations, want.GetAnnotations())
}

func includes(has, wanted map[string]string) bool {
	for key, value := range wanted {
		if found, is := has[key]; !is || found != value {
			return false
		}
	}
	return true
}

// prune deletes the ExternalArtifacts of a generator that it no longer declares.
func (h *handler) prune(ctx context.Context, g *v1beta1.ArtifactGenerator, outputs []catalog.Output) error {
	declared := make(map[string]bool, len(outputs))
	for _, output := range outputs {
		declared[output.Name] = true
	}

	list := &v1beta1.ExternalArtifactList{}
	if err := h.cached.List(ctx, list, client.InNamespace(g.Namespace), client.UnsafeDisableDeepCopy); err != nil {
		return fmt.Errorf("listing the ExternalArtifacts of namespace %s: %w", g.Namespace, err)
	}

	for i := range list.Items {
		item := &list.Items[i]
		if !metav1.IsControlledBy(item, g) || declared[item.Name] || !item.DeletionTimestamp.IsZero() {
			continue
		}

		gone := item.DeepCopy()
		err := h.writer.Delete(ctx, gone, client.Preconditions{UID: &gone.UID})
		if err != nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) {
			return fmt.Errorf("deleting ExternalArtifact %s/%s, which is no longer declared: %w", item.Namespace, item.Name,
				err)
		}
	}

	return nil
}
