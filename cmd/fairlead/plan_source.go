package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/controllers/catalog"
	"fairlead.dev/fairlead/helmops/kustomize/apply"
	"fairlead.dev/fairlead/helmops/kustomize/build"
)

// sourceObjects builds the objects of a Kustomization from what its source has upstream now. The mask hides secrets.
func (a *app) sourceObjects(
	ctx context.Context, ks *v1beta1.Kustomization,
) (objects []apply.Object, mask func(string) string, revision string, err error) {
	dir, err := os.MkdirTemp("", "fairlead-")
	if err != nil {
		return nil, nil, "", err
	}

	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	key := ks.GetSourceKey()
	choice := catalog.ChartRef{Kind: ks.Spec.SourceRef.Kind, Namespace: key.Namespace, Name: key.Name}
	var tree *build.Tree
	revision, err = catalog.FetchSource(ctx, callerReader{clusterReader{a}}, dir, choice, func(archive io.Reader) (err error) {
		tree, err = build.Read(archive, build.Limits{})
		return err
	})
	if err != nil {
		return nil, nil, "", fmt.Errorf("fetch the source of Kustomization %s/%s: %w", ks.Namespace, ks.Name, err)
	}

	objects, mask, err = a.renderAt(ctx, ks, tree, ks.Spec.Path)
	if err != nil {
		return nil, nil, "", fmt.Errorf("build Kustomization %s/%s at %s: %w", ks.Namespace, ks.Name, revision, err)
	}

	return objects, mask, revision, nil
}
