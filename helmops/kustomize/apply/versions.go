package apply

import (
	"context"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/kube/warning"
	"fairlead.dev/fairlead/helmops/payload"
)

// patch applies an object, or asks what would become of it. One whose owners of fields have them in a version that
// cannot express the object is applied after these entries were restated in the version of the manifest; the trial
// of such a one is that of a merge.
func (r *run) patch(ctx context.Context, i *item, body []byte, dryRun bool) (*unstructured.Unstructured, error) {
	answer, err := r.send(ctx, i, types.ApplyPatchType, body, dryRun)
	switch {
	case !payload.Unconvertible(err):
		return answer, err
	case dryRun:
		return r.send(ctx, i, types.MergePatchType, body, true)
	}
	if err := r.restate(ctx, i); err != nil {
		return nil, err
	}
	return r.send(ctx, i, types.ApplyPatchType, body, false)
}

// restate has all who own fields of an object own them in the version of the manifest.
func (r *run) restate(ctx context.Context, i *item) error {
	live, err := r.get(ctx, i)
	if err != nil || live == nil {
		return err
	}
	patch, err := payload.Restated(live)
	if err == nil && patch != nil {
		_, err = r.send(ctx, i, types.JSONPatchType, patch, false)
	}
	if err != nil {
		return fmt.Errorf("bringing the owners of the fields of %s to version %s: %w", i, i.GroupVersionKind().Version, err)
	}
	return nil
}

// send sends a patch. Only an apply may take fields over from others.
func (r *run) send(
	ctx context.Context, i *item, kind types.PatchType, body []byte, dryRun bool,
) (*unstructured.Unstructured, error) {
	client, err := r.as.REST(i.kind.GVK.GroupVersion())
	if err != nil {
		return nil, err
	}
	request := client.Patch(kind).
		NamespaceIfScoped(i.GetNamespace(), i.kind.Namespaced).Resource(i.kind.Resource).Name(i.GetName()).
		Param("fieldManager", v1beta1.KustomizationFieldManager).
		Param("fieldValidation", metav1.FieldValidationStrict).Body(body)
	if kind == types.ApplyPatchType {
		request.Param("force", "true")
	}
	if dryRun {
		request.Param("dryRun", metav1.DryRunAll)
	}
	result := request.Do(ctx)
	answer, err := decoded(result)
	if err == nil && !dryRun {
		i.sent, i.warnings = answer, warning.Texts(result.Warnings(), i.isSecret())
	}
	return answer, err
}
