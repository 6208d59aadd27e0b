package main

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/controllers/kustomization"
	"fairlead.dev/fairlead/helmops/kustomize/apply"
	"fairlead.dev/fairlead/helmops/view"
)

func (a *app) diffKustomization(ctx context.Context, k kind, name string, files *filesFlags, out *output) error {
	ks, objects, mask, err := a.localObjects(ctx, k, name, files)
	if err != nil {
		return err
	}

	previewed, err := a.preview(ctx, ks, objects, files)
	d, compareErr := view.PreviewDifferences(previewed, view.Disclosure{Mask: mask, Former: !kustomization.TakesSecrets(ks)})
	if err == nil {
		err = compareErr
	}
	if err != nil && len(d.Objects) == 0 {
		return fmt.Errorf("%s would not be applied so: %s", k.describe(client.ObjectKeyFromObject(ks)), mask(err.Error()))
	}
	if printErr := a.printDifferences(d, out); err == nil {
		return printErr
	}

	return fmt.Errorf("%s would not be applied so: %s", k.describe(client.ObjectKeyFromObject(ks)), mask(err.Error()))
}

// localObjects builds the objects of a Kustomization from local files, with what the cluster knows of it. The mask hides
// secrets.
func (a *app) localObjects(
	ctx context.Context, k kind, name string, files *filesFlags,
) (ks *v1beta1.Kustomization, objects []apply.Object, mask func(string) string, err error) {
	ks, err = a.appliedKustomization(ctx, k, name, files)
	if err != nil {
		return nil, nil, nil, err
	}

	objects, mask, err = a.render(ctx, ks, files)
	return ks, objects, mask, err
}

// appliedKustomization is a Kustomization of a file or of the cluster, with what the cluster knows of it.
func (a *app) appliedKustomization(
	ctx context.Context, k kind, name string, files *filesFlags,
) (*v1beta1.Kustomization, error) {
	if _, err := a.open(); err != nil {
		return nil, err
	}

	ks, err := a.kustomization(ctx, k, name, files)
	if err != nil {
		return nil, err
	}

	if files.file != "" {
		if err := a.adoptInventory(ctx, k, ks); err != nil {
			return nil, err
		}
	}

	if ks.Spec.KubeConfig != nil {
		return nil, elsewhere(k, client.ObjectKeyFromObject(ks))
	}

	return ks, nil
}

// adoptInventory takes over what the Kustomization in the cluster has applied, so that what would be deleted is known. There may be none.
func (a *app) adoptInventory(ctx context.Context, k kind, ks *v1beta1.Kustomization) error {
	object, err := view.NewReader(a.cluster.client).Object(ctx, k.name, client.ObjectKeyFromObject(ks))
	if applied, is := object.(*v1beta1.Kustomization); is && err == nil {
		ks.Status = applied.Status
	}
	return client.IgnoreNotFound(err)
}

// preview tries the objects of a Kustomization.
func (a *app) preview(
	ctx context.Context, ks *v1beta1.Kustomization, objects []apply.Object, files *filesFlags,
) ([]apply.Previewed, error) {
	set, err := kustomization.Set(ks, objects)
	if err != nil {
		return nil, err
	}

	previewed, err := a.cluster.preview(ctx, set, a.foresight(ks, objects, files))
	if apierrors.IsForbidden(err) {
		return previewed, fmt.Errorf("%w; to compare takes get of the objects, and patch for dry runs", err)
	}

	return previewed, err
}
