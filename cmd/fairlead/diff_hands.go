package main

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/controllers/kustomization"
	"fairlead.dev/fairlead/helmops/kustomize/apply"
	"fairlead.dev/fairlead/helmops/kustomize/build"
)

// foresight foretells from the files around --path what other Kustomizations of the source make of them.
func (a *app) foresight(
	ks *v1beta1.Kustomization, objects []apply.Object, files *filesFlags,
) *kustomization.HandoverPreview {
	var around *checkout
	return kustomization.NewForesight(ks, objects, kustomization.Others{
		List: a.visibleKustomizations(ks.Namespace),
		Build: func(ctx context.Context, other *v1beta1.Kustomization) (_ []apply.Object, err error) {
			if around == nil {
				if around, err = checkoutOf(files.path, ks.Spec.Path); err != nil {
					return nil, err
				}
			}

			objects, _, err := a.renderAt(ctx, other, around.tree, path.Join(around.below, other.Spec.Path))
			return objects, err
		},
	})
}

// visibleKustomizations lists the Kustomizations of all namespaces, or with an error those of one when the user may
// not list the others.
func (a *app) visibleKustomizations(namespace string) func(context.Context) ([]v1beta1.Kustomization, error) {
	return func(ctx context.Context) ([]v1beta1.Kustomization, error) {
		list := &v1beta1.KustomizationList{}
		err := a.cluster.client.List(ctx, list)
		if apierrors.IsForbidden(err) {
			err = errors.New("you may not list those of other namespaces")
			if ownErr := a.cluster.client.List(ctx, list, client.InNamespace(namespace)); ownErr != nil {
				err = errors.New("you may not list them")
			}
		}

		return list.Items, err
	}
}

// checkout is a local copy of a source.
type checkout struct {
	tree *build.Tree
	// below is the directory in the tree that paths of Kustomizations start from.
	below string
}

// checkoutOf reads the local copy of a source of which dir is the directory at within.
func checkoutOf(dir, within string) (*checkout, error) {
	root, at, err := repositoryOf(dir)
	if err != nil {
		return nil, err
	}

	below, is := strings.CutSuffix(path.Join("/", at), strings.TrimSuffix(path.Join("/", within), "/"))
	if !is {
		return nil, fmt.Errorf("%s is not where spec.path leads to in a local copy of the source", dir)
	}

	tree, err := build.ReadDir(root, build.Limits{})
	if err != nil {
		return nil, err
	}

	return &checkout{tree: tree, below: strings.TrimPrefix(below, "/")}, nil
}
