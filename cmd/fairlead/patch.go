package main

import (
	"context"
	"encoding/json"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/view"
)

// fieldManager owns the fields that these commands write.
const fieldManager = client.FieldOwner("fairlead-cli")

// requestPatch sets the annotation that asks for a reconciliation, and others that count together with it.
func requestPatch(token string, more ...string) map[string]any {
	annotations := map[string]any{v1beta1.ReconcileRequestAnnotation: token}
	for _, annotation := range more {
		annotations[annotation] = token
	}
	return map[string]any{"metadata": map[string]any{"annotations": annotations}}
}

// overridePatch is requestPatch for a request that overrides the windows of spec.sync, with the reason.
func overridePatch(token, reason string, more ...string) map[string]any {
	change := requestPatch(token, append(more, v1beta1.OverrideWindowAnnotation)...)
	metadata := change["metadata"].(map[string]any)
	metadata["annotations"].(map[string]any)[v1beta1.OverrideReasonAnnotation] = reason
	return change
}

// suspendPatch sets spec.suspend and why.
func suspendPatch(reason string) map[string]any {
	return suspension(true, emptyAsNil(reason))
}

// resumePatch removes spec.suspend and why, so that a resumed object is again what it was before.
func resumePatch() map[string]any { return suspension(nil, nil) }

func suspension(suspend, reason any) map[string]any {
	return map[string]any{
		"metadata": map[string]any{"annotations": map[string]any{v1beta1.SuspendReasonAnnotation: reason}},
		"spec":     map[string]any{"suspend": suspend},
	}
}

// emptyAsNil is nil for an empty text: a merge patch removes what is null.
func emptyAsNil(text string) any {
	if text == "" {
		return nil
	}
	return text
}

// patch changes the object with a JSON merge patch and returns what it has become. The API server refuses fields it does
// not know, instead of dropping them in silence.
func patch(ctx context.Context, c *connection, k kind, key types.NamespacedName, change map[string]any) (view.Object, error) {
	data, err := json.Marshal(change)
	if err != nil {
		return nil, fmt.Errorf("write the patch of %s: %w", k.describe(key), err)
	}

	object := view.NewObject(k.name)
	object.SetNamespace(key.Namespace)
	object.SetName(key.Name)
	err = c.client.Patch(ctx, object, client.RawPatch(types.MergePatchType, data), fieldManager,
		client.FieldValidation(metav1.FieldValidationStrict))
	if err != nil {
		return nil, &view.RequestError{Verb: "patch", Resource: k.resource(), Namespace: key.Namespace, Name: key.Name, Err: err}
	}

	return object, nil
}
