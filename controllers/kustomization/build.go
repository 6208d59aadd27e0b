package kustomization

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/controllers/catalog"
	"fairlead.dev/fairlead/controllers/refs"
	"fairlead.dev/fairlead/helmops/kube/drift"
	"fairlead.dev/fairlead/helmops/kube/keep"
	"fairlead.dev/fairlead/helmops/kube/redact"
	"fairlead.dev/fairlead/helmops/kustomize/apply"
	"fairlead.dev/fairlead/helmops/kustomize/build"
	"fairlead.dev/fairlead/sources/quota"
)

// trees unpacks artifacts, each once for all Kustomizations of one source and revision, and keeps them within a budget.
type trees struct {
	catalog *catalog.Catalog
	known   *quota.Cache[*build.Tree]
}

func newTrees(c *catalog.Catalog) *trees {
	return &trees{catalog: c, known: quota.NewCache[*build.Tree]("the unpacked artifact of a source", quota.Trees)}
}

// of returns the files of an artifact, which stay in memory until release is called.
func (t *trees) of(
	ctx context.Context, choice catalog.ChartRef, artifact v1beta1.Artifact,
) (_ *build.Tree, release func(), err error) {
	from, err := t.catalog.Identity(ctx, choice, true)
	if err != nil {
		return nil, nil, err
	}

	return t.known.Take(ctx, quota.Item[*build.Tree]{
		Namespace: choice.Namespace, Key: from + artifact.Digest,
		Most: func() (size int64, err error) {
			err = t.open(ctx, choice, artifact, func(archive io.Reader) error {
				size, err = build.Measure(archive, build.Limits{})
				return err
			})
			return size, err
		},
		Make: func() (tree *build.Tree, err error) {
			err = t.open(ctx, choice, artifact, func(archive io.Reader) error {
				tree, err = build.Read(archive, build.Limits{})
				return err
			})
			return tree, err
		},
		Size: (*build.Tree).Memory,
	})
}

func (t *trees) open(
	ctx context.Context, choice catalog.ChartRef, artifact v1beta1.Artifact, read func(io.Reader) error,
) error {
	archive, err := t.catalog.OpenArtifact(ctx, choice, artifact)
	if err != nil {
		return err
	}
	return errors.Join(read(archive), archive.Close())
}

// Builder makes objects of files, in a process that has nothing else.
type Builder interface {
	Build(ctx context.Context, namespace string, files *build.Tree, request build.Request) (build.Response, error)
}

// build makes the objects of a Kustomization from its artifact. The mask hides what came from Secrets and encrypted
// files.
func (g *gatherer) build(
	ctx context.Context, k *v1beta1.Kustomization, in inputs,
) ([]apply.Object, redact.Mask, error) {
	files, release, err := g.trees.of(ctx, in.choice, in.artifact)
	if err != nil {
		return nil, redact.Mask{}, err
	}
	defer release()
	return in.build(ctx, g.builder, k, files)
}

// materials are what objects are made with, beside files.
type materials struct {
	// variables of spec.postBuild with what it refers to; secrets are those of them that came from Secrets.
	variables map[string]string
	secrets   map[string]any
	// keys are the content of the Secret of spec.decryption.
	keys map[string][]byte
}

// build makes the objects of a Kustomization from files.
func (m materials) build(
	ctx context.Context, builder Builder, k *v1beta1.Kustomization, files *build.Tree,
) ([]apply.Object, redact.Mask, error) {
	built, err := builder.Build(ctx, k.Namespace, files, build.Request{
		Path: k.Spec.Path, Overlay: k.Spec.Overlay, Owner: client.ObjectKeyFromObject(k),
		Variables: m.variables, Decrypt: k.Spec.Decryption != nil, Keys: m.keys,
	})
	opened := make([]any, 0, len(built.Opened))
	for _, value := range built.Opened {
		opened = append(opened, value)
	}

	out := make([]apply.Object, 0, len(built.Objects))
	for _, o := range built.Objects {
		out = append(out, apply.Object{Unstructured: o.Unstructured, Origin: o.Origin})
		opened = append(opened, redact.SecretContent(o.Object)...)
	}

	for _, key := range m.keys {
		opened = append(opened, key)
	}

	return out, redact.NewMask(m.secrets, opened), err
}

// Render makes the objects of a Kustomization as the controller does, from the directory at path in files instead of
// spec.path. The ConfigMaps and Secrets that it names are read with reader. The mask hides what came from Secrets and
// encrypted files.
func Render(
	ctx context.Context, reader client.Reader, builder Builder, k *v1beta1.Kustomization, files *build.Tree, path string,
) ([]apply.Object, redact.Mask, error) {
	read := readDocument(func(ctx context.Context, key refs.Document) (map[string][]byte, error) {
		return refs.Read(ctx, reader, key)
	})
	m, err := read.materials(ctx, k)
	if err != nil {
		return nil, redact.Mask{}, err
	}

	own := k.DeepCopy()
	own.Spec.Path = path
	return m.build(ctx, builder, own, files)
}

// Set is what applying the objects of a Kustomization means. The error says which rule of spec.ignore cannot be
// understood.
func Set(k *v1beta1.Kustomization, objects []apply.Object) (apply.Set, error) {
	ignore, err := drift.Compile(k.Spec.Ignore)
	if err != nil {
		return apply.Set{}, fmt.Errorf("spec.ignore: %w", err)
	}
	return setOf(k, objects, ignore), nil
}

func setOf(k *v1beta1.Kustomization, objects []apply.Object, ignore *drift.Rules) apply.Set {
	return apply.Set{
		Owner: client.ObjectKeyFromObject(k), Objects: objects, Before: inventoryOf(k), Prune: k.Spec.Prune,
		AllowEmpty:   k.Spec.AllowEmpty,
		ConfirmPrune: k.Spec.Sync != nil && k.Spec.Sync.Prune == v1beta1.PruneConfirm,
		Force:        k.Spec.Force || forceRequested(k) != "", Ignore: ignore,
		PruneKinds: k.Spec.PruneKinds, Kept: k.Status.Kept,
	}
}

// departureOf is how the objects of a deleted Kustomization go. A user who sets spec.deletionPolicy to delete them asks
// for their claims, too; with spec.prune alone, claims stay as they do when they leave the source.
func departureOf(k *v1beta1.Kustomization, refs []v1beta1.ResourceRef) apply.Departure {
	out := apply.Departure{
		Owner: client.ObjectKeyFromObject(k), Objects: refs, PruneKinds: k.Spec.PruneKinds,
		Wait: k.GetDeletionPolicy() == v1beta1.DeletionPolicyWaitForTermination,
	}
	switch k.Spec.DeletionPolicy {
	case v1beta1.DeletionPolicyDelete, v1beta1.DeletionPolicyWaitForTermination:
		out.PruneKinds = append(slices.Clone(out.PruneKinds), keep.Claim.Kind)
	default:
	}

	return out
}

// forceRequested returns the token of a request for one attempt that replaces objects; empty when there is none that
// was not handled yet.
func forceRequested(k *v1beta1.Kustomization) string {
	return v1beta1.SpecialRequest(k, v1beta1.ForceRequestAnnotation, k.Status.LastHandledForceAt)
}
