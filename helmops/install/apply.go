package install

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/fluxcd/pkg/ssa"
	ssaerrors "github.com/fluxcd/pkg/ssa/errors"
	"github.com/fluxcd/pkg/ssa/normalize"
	"github.com/fluxcd/pkg/ssa/utils"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/kube/definition"
	kubessa "fairlead.dev/fairlead/helmops/kube/ssa"
	"fairlead.dev/fairlead/helmops/kustomize/apply"
)

const (
	// fieldManager of what the command writes beside the manifests.
	fieldManager = "fairlead-cli"
	// atOnce is how many objects of a set are compared at the same time.
	atOnce = 8
	// readyInterval is the pause between two looks at what a set defines, readyTimeout how long it may take.
	readyInterval = 500 * time.Millisecond
	readyTimeout  = time.Minute
)

// Apply brings an installation into the cluster, and deletes what one with other options has left there. A Preview
// comes first: when an object would be refused, nothing is written. When everything is as it is wanted, nothing is
// written either. The changes are those of the Preview.
func (s *Site) Apply(ctx context.Context, o Options) ([]Change, error) {
	objects, err := o.Objects(ctx)
	if err != nil {
		return nil, err
	}

	changes, err := s.preview(ctx, o, objects)
	if err != nil || len(changes) == 0 {
		return nil, err
	}

	if err := s.applyStaged(ctx, objects); err != nil {
		return nil, err
	}

	owned := ssa.DefaultDeleteOptions()
	owned.Inclusions = map[string]string{
		v1beta1.KustomizationNameLabel:      Root,
		v1beta1.KustomizationNamespaceLabel: Namespace,
	}
	owned.Exclusions = map[string]string{v1beta1.PruneAnnotation: v1beta1.Disabled}
	for _, c := range changes {
		if c.Action != Deleted {
			continue
		}
		if err := s.delete(ctx, c.live, owned); err != nil {
			return nil, err
		}
	}

	return changes, nil
}

// applyStaged applies what other objects need, waits until it is there, and applies the rest. The library has that as
// ApplyAllStaged, which waits for a minute whatever becomes of ctx, and not until discovery lists new kinds.
func (s *Site) applyStaged(ctx context.Context, objects []apply.Object) error {
	var first, rest []*unstructured.Unstructured
	var kinds []schema.GroupVersionKind
	for _, o := range objects {
		switch {
		case utils.IsCRD(o.Unstructured):
			kinds = append(kinds, definition.Read(o.Unstructured).Kinds()...)
			first = append(first, o.Unstructured)
		case utils.IsClusterDefinition(o.Unstructured):
			first = append(first, o.Unstructured)
		default:
			rest = append(rest, o.Unstructured)
		}
	}

	applied, err := s.applyAll(ctx, first)
	if err != nil {
		return err
	}

	wait := ssa.WaitOptions{Interval: readyInterval, Timeout: readyTimeout, FailFast: true}
	if err := s.manager.WaitForSetWithContext(ctx, applied.ToObjMetadataSet(), wait); err != nil {
		return err
	}

	established, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	if err := s.cluster.AwaitKinds(established, kinds...); err != nil {
		return fmt.Errorf("waiting until the API server serves the kinds of Fairlead: %w", err)
	}

	_, err = s.applyAll(ctx, rest)
	return err
}

// applyAll applies objects in the order of their kinds. An object that the API server refuses because of fields that
// exclude what is applied, and that another manager owns, is applied again once these fields are claimed; the library
// reports it as an error.
func (s *Site) applyAll(ctx context.Context, objects []*unstructured.Unstructured) (*ssa.ChangeSet, error) {
	for range objects {
		applied, err := s.manager.ApplyAll(ctx, objects, ssa.DefaultApplyOptions())
		var refused *ssaerrors.DryRunErr
		if !errors.As(err, &refused) {
			return applied, err
		}

		claimed, err := s.claim(ctx, refused)
		switch {
		case err != nil:
			return nil, err
		case !claimed:
			return nil, refused
		}
	}

	return s.manager.ApplyAll(ctx, objects, ssa.DefaultApplyOptions())
}

// claim makes the installation the owner of the fields because of which an object was refused, so that the next apply
// removes them. It reports whether there were any.
func (s *Site) claim(ctx context.Context, refused *ssaerrors.DryRunErr) (bool, error) {
	object := refused.InvolvedObject()
	body, err := object.MarshalJSON()
	if err != nil {
		return false, fmt.Errorf("encoding %s: %w", nameOf(object), err)
	}

	writer := kubessa.Writer{
		Name: nameOf(object), Version: object.GroupVersionKind().Version, Manager: v1beta1.KustomizationFieldManager,
		Live: func() (*unstructured.Unstructured, error) {
			live := &unstructured.Unstructured{}
			live.SetGroupVersionKind(object.GroupVersionKind())
			return live, s.client.Get(ctx, client.ObjectKeyFromObject(object), live)
		},
		Claim: func(patch []byte) error {
			owner := client.FieldOwner(v1beta1.KustomizationFieldManager)
			return s.client.Patch(ctx, object.DeepCopy(), client.RawPatch(types.JSONPatchType, patch), owner)
		},
	}
	was, err := writer.ClaimLeftovers(retry.DefaultBackoff, body, refused)
	return was != nil, err
}

// ApplySecret creates or updates a Secret in the namespace of Fairlead. The error quotes nothing of it.
func (s *Site) ApplySecret(ctx context.Context, name string, data map[string]string) error {
	content := make(map[string]any, len(data))
	for key, value := range data {
		content[key] = value
	}

	secret := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "Secret", "type": string(corev1.SecretTypeOpaque), "stringData": content,
		"metadata": map[string]any{
			"name": name, "namespace": Namespace, "labels": map[string]any{"app.kubernetes.io/name": "fairlead"},
		},
	}}
	// Applied as stringData, a later change of data would not be noticed.
	if err := normalize.Unstructured(secret); err != nil {
		return fmt.Errorf("encoding Secret %s/%s", Namespace, name)
	}

	manager := ssa.NewResourceManager(s.client, nil, ssa.Owner{Field: fieldManager})
	if _, err := manager.Apply(ctx, secret, ssa.DefaultApplyOptions()); err != nil {
		return fmt.Errorf("writing Secret %s/%s: %s", Namespace, name, apierrors.ReasonForError(err))
	}

	return nil
}
