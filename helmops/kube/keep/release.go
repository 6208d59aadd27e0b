package keep

import (
	"context"
	"encoding/json"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"

	"fairlead.dev/fairlead/api/v1beta1"
)

// Marks by which Helm and Kustomizations say whose an object is.
const (
	managedByLabel             = "app.kubernetes.io/managed-by"
	helm                       = "Helm"
	releaseNameAnnotation      = "meta.helm.sh/release-name"
	releaseNamespaceAnnotation = "meta.helm.sh/release-namespace"
)

// Owned reports whether an object says that it belongs to a Helm release or a Kustomization.
func Owned(live *unstructured.Unstructured) bool {
	return live.GetAnnotations()[releaseNameAnnotation] != "" || live.GetLabels()[v1beta1.KustomizationNameLabel] != ""
}

// ReleaseFromHelm takes off an object the marks of the Helm release that owned it. It fails with a conflict when
// another object has the name by now.
func ReleaseFromHelm(
	ctx context.Context, client dynamic.ResourceInterface, live *unstructured.Unstructured,
) error {
	labels := map[string]any{}
	if live.GetLabels()[managedByLabel] == helm {
		labels[managedByLabel] = nil
	}
	return release(ctx, client, live, labels, map[string]any{releaseNameAnnotation: nil, releaseNamespaceAnnotation: nil})
}

// ReleaseFromKustomization takes off an object the labels of the Kustomization that owned it, as ReleaseFromHelm
// does.
func ReleaseFromKustomization(
	ctx context.Context, client dynamic.ResourceInterface, live *unstructured.Unstructured,
) error {
	labels := map[string]any{v1beta1.KustomizationNameLabel: nil, v1beta1.KustomizationNamespaceLabel: nil}
	return release(ctx, client, live, labels, nil)
}

func release(
	ctx context.Context, client dynamic.ResourceInterface, live *unstructured.Unstructured,
	labels, annotations map[string]any,
) error {
	metadata := map[string]any{"uid": string(live.GetUID())}
	if len(labels) > 0 {
		metadata["labels"] = labels
	}
	if len(annotations) > 0 {
		metadata["annotations"] = annotations
	}

	body, err := json.Marshal(map[string]any{"metadata": metadata})
	if err != nil {
		return err
	}

	_, err = client.Patch(ctx, live.GetName(), types.MergePatchType, body, metav1.PatchOptions{FieldManager: "fairlead"})
	return err
}
